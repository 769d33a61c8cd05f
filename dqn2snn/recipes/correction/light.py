"""Light calibration: the mean error of each channel, put into its bias.

Li, Deng, Dong, Gong, Gu, "A Free Lunch From ANN: Towards Efficient, Accurate Spiking Neural Networks Calibration",
ICML 2021, arXiv 2106.06984.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from dqn2snn.errors import ArgumentError
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.plan.graph import LayerGraph, per_channel
from dqn2snn.recipes._step import recorded
from dqn2snn.recipes.correction._rates import checked, mean_error
from dqn2snn.recipes.correction._refit import with_layer
from dqn2snn.recipes.correction._scales import scales_of
from dqn2snn.tracing.observations import Observations


@recorded
def light(
    plan: SpikingPlan,
    graph: LayerGraph,
    observations: Observations,
    *,
    rounds: int = 1,
    progress: bool = True,
) -> SpikingPlan:
    """Shift every hidden bias by the mean error of its channel.

    Layer by layer, on the spikes that the corrected layers before it send,

        b_c <- b_c + mean( a / s_c - r ),

    over observations and positions, with r the firing rate, a the DQN's activation and s_c the activation that a rate
    of one stands for. What is clipped or silent does not follow a bias, so a second round may still find an error.

    It costs nothing in the network. In "delta" coding levels take the place of rates.

    Args:
        plan: A plan in raw numbers, or its network.
        graph: The network that the plan was made of.
        observations: `[N, *input_shape]`; a few hundred do.
        rounds: How often each layer is corrected.
        progress: Show progress bars.

    Returns:
        SpikingPlan: With other biases.

    Raises:
        ArgumentError: If `rounds` is not positive.
        CalibrationError: If there are no observations.
        PlanError: If the plan is on a grid, or is not the network's with its biases as the recipe made them.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> import dqn2snn
        >>> from dqn2snn.tracing import trace
        >>> net, states = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.rand(64, 4)
        >>> plan = dqn2snn.convert(net, states, recipe="tan2021", num_steps=8, grid=None).plan
        >>> light(plan, trace(net, (4,)), states).recipe
        'tan2021+light'
    """
    if rounds < 1:
        raise ArgumentError(f"Expected rounds >= 1. Found {rounds}. One is what the paper does.")
    batch, scales = checked(observations, graph), scales_of(plan, graph)
    for index, scale in enumerate(scales):
        for _ in range(rounds):
            error = mean_error(plan, graph, batch, index, scale, progress=progress)
            by_channel = error.reshape(len(error), -1).mean(1)
            layer = _shifted(plan.layers[index], by_channel, at_start=plan.coding.once and index > 0)
            plan = with_layer(plan, index, layer)
    return plan


def _shifted(layer: SpikingLayer, shift: Tensor, *, at_start: bool) -> SpikingLayer:
    affine, wide = layer.affine, per_channel(shift, layer.shape)
    if at_start:
        old = layer.v_init
        return replace(layer, v_init=old + (shift if old.ndim < 2 else wide))
    bias = affine.bias + (shift if affine.bias.ndim < 2 else wide)
    return replace(layer, affine=affine.with_parameters(affine.weight, bias))
