"""Potential correction: the mean error of each neuron, put into its initial membrane.

Li, Deng, Dong, Gong, Gu, "A Free Lunch From ANN: Towards Efficient, Accurate Spiking Neural Networks Calibration",
ICML 2021, arXiv 2106.06984.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from torch import Tensor

from dqn2snn.errors import ArgumentError
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.plan.graph import LayerGraph, per_channel
from dqn2snn.recipes._step import recorded
from dqn2snn.recipes.correction._rates import checked, mean_error
from dqn2snn.recipes.correction._refit import with_layer
from dqn2snn.recipes.correction._scales import scales_of
from dqn2snn.tracing.observations import Observations

_BELOW_THRESHOLD = 1 - 2.0**-12
"""Largest initial membrane, in thresholds. It stays below one after rounding to a grid."""


@recorded
def potential(
    plan: SpikingPlan,
    graph: LayerGraph,
    observations: Observations,
    *,
    per: Literal["neuron", "channel"] = "neuron",
    progress: bool = True,
) -> SpikingPlan:
    """Shift every hidden initial membrane by what its neuron misses on average.

    Layer by layer, on the spikes that the corrected layers before it send,

        V_j(0) <- V_j(0) + mean( a_j / s_j - r_j ) / w_1,

    where w_1 is what a spike at the first step counts in the rate r: 1 / T, so that the paper's factor is T, and about
    1.5 / T under the slope readout. Charge that is there from the beginning acts earlier than a bias. In the
    first layer V(0) stays in [0, threshold), where the clamped input current changes no spike.

    It costs one number per neuron. In "delta" coding levels take the place of rates, and w_1 is one.

    Args:
        plan: A plan in raw numbers, or its network.
        graph: The network that the plan was made of.
        observations: `[N, *input_shape]`; a few hundred do.
        per: Correct every neuron for itself, or the neurons of a channel alike.
        progress: Show progress bars.

    Returns:
        SpikingPlan: With other initial membranes.

    Raises:
        ArgumentError: If `per` is neither.
        CalibrationError: If there are no observations.
        PlanError: If the plan is on a grid, or is not the network's with its biases as the recipe made them.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> import dqn2snn
        >>> from dqn2snn.tracing import trace
        >>> net, states = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.rand(64, 4)
        >>> plan = dqn2snn.convert(net, states, recipe="tan2021", num_steps=8, grid=None).plan
        >>> potential(plan, trace(net, (4,)), states).layers[0].v_init.shape
        torch.Size([8])
    """
    if per not in ("neuron", "channel"):
        raise ArgumentError(f'Expected per="neuron" or "channel". Found {per!r}. The paper corrects neurons.')
    batch, scales, first = (
        checked(observations, graph),
        scales_of(plan, graph),
        float(plan.coding.worth(plan)[0]),
    )
    for index, scale in enumerate(scales):
        error = mean_error(plan, graph, batch, index, scale, progress=progress)
        if per == "channel":
            error = error.reshape(len(error), -1).mean(1)
        layer = _charged(plan.layers[index], error / first, clipped=index == 0)
        plan = with_layer(plan, index, layer)
    return plan


def _charged(layer: SpikingLayer, charge: Tensor, *, clipped: bool) -> SpikingLayer:
    old, threshold = layer.v_init, layer.threshold
    if charge.ndim != 1 or old.ndim > 1:
        old, charge, threshold = (per_channel(x, layer.shape) for x in (old, charge, threshold))
    v_init = old + charge
    if clipped:
        v_init = v_init.clamp(min=0).minimum(threshold * _BELOW_THRESHOLD)
    return replace(layer, v_init=v_init)
