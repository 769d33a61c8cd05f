"""Every matrix refitted in closed form, one after the other.

The closed-form counterpart of progressive tandem learning (Wu et al., IEEE TPAMI 2022, arXiv 2007.01204),
which fine-tunes the layers behind one that has been converted and frozen.
"""

from __future__ import annotations

from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import LayerGraph, per_channel
from dqn2snn.recipes._step import recorded
from dqn2snn.recipes.correction._least_squares import Samples
from dqn2snn.recipes.correction._rates import checked, responses
from dqn2snn.recipes.correction._refit import arriving, is_dense, refitted, step_current, with_layer
from dqn2snn.recipes.correction._scales import scales_of
from dqn2snn.recipes.correction.ridge import ridge
from dqn2snn.tracing.observations import Observations


@recorded
def ridge_all(
    plan: SpikingPlan,
    graph: LayerGraph,
    observations: Observations,
    *,
    strength: float | None = None,
    near_ties: bool = True,
    progress: bool = True,
) -> SpikingPlan:
    """Refit every hidden matrix behind the first layer, in order, and then the readout.

    With h the rates that the spiking layer before shows, its own correction included, and z the DQN's pre-activations,

        minimise  mean_n |(z(x_n) - m) / s - W h(x_n) - b|^2  +  strength mean_j var(h_j) |W - W_before|^2,

    where s and m are the layer's scale and baseline. Least squares takes the rounding of h into account: where rates
    are noisy the weights shrink, as in a Wiener filter. Then `ridge`. Convolutions stay as they are.

    It costs nothing in the network. A hidden layer needs more observations than it has inputs, by far.

    Args:
        plan: A plan in raw numbers, or its network.
        graph: The network that the plan was made of.
        observations: `[N, *input_shape]`; a few thousand.
        strength: Strength of the pull towards the weights as they were, 0 or more; by default chosen for each
            matrix as in `ridge`.
        near_ties: See `ridge`; it concerns the readout.
        progress: Show progress bars.

    Returns:
        SpikingPlan: With other matrices.

    Raises:
        ArgumentError: If `strength` is negative.
        CalibrationError: If there are no observations.
        PlanError: If the plan is on a grid, or is not the network's with its biases as the recipe made them, or its
            readout is not a matrix.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> import dqn2snn
        >>> from dqn2snn.tracing import trace
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> states = torch.rand(64, 4)
        >>> plan = dqn2snn.convert(net, states, recipe="tan2021", num_steps=8, grid=None).plan
        >>> ridge_all(plan, trace(net, (4,)), states).recipe
        'tan2021+ridge_all'
    """
    batch, scales, at_start = checked(observations, graph), scales_of(plan, graph), plan.coding.once
    corrected = plan
    for index, layer in list(enumerate(plan.layers))[1:]:
        if not is_dense(layer):
            continue
        samples = Samples(len(batch))
        threshold, beside = per_channel(layer.threshold, layer.shape), step_current(plan, layer)
        for part in responses(corrected, graph, batch, index - 1, progress=progress, label=layer.name):
            due = scales[index].current(part.preactivations[index].double()) * threshold - beside
            samples.add(arriving(layer, part.rates), due)
        weight, bias = samples.solve(layer.affine.weight, strength)
        corrected = with_layer(
            corrected, index, refitted(layer, weight, bias, layer.threshold / 2 if at_start else None)
        )
    return ridge(corrected, graph, batch, strength=strength, near_ties=near_ties, progress=progress)
