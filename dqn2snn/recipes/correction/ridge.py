"""The readout, refitted in closed form to the spikes of the last hidden layer.

The map from spikes to Q-values is linear, so that ridge regression (Hoerl, Kennard, Technometrics 1970) finds the best
one at once. What it corrects is systematic: clipping, rates that are late, rounding that neurons have in common.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from dqn2snn.errors import PlanError
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes._step import recorded
from dqn2snn.recipes.correction._rates import checked, responses
from dqn2snn.recipes.correction._readout import best_readout
from dqn2snn.recipes.correction._refit import arriving, is_dense, refitted, step_current
from dqn2snn.recipes.correction._scales import check_correctable
from dqn2snn.recipes.correction._weights import decision_weights
from dqn2snn.tracing.observations import Observations


@recorded
def ridge(
    plan: SpikingPlan,
    graph: LayerGraph,
    observations: Observations,
    *,
    strength: float | None = None,
    near_ties: bool = True,
    progress: bool = True,
) -> SpikingPlan:
    """Refit weights and biases of the readout.

    With h the mean spikes of the last hidden layer over time, weighted as the plan's readout weighs them, the new
    readout is the one that minimises

        sum_n w_n |Q(x_n) - W h(x_n) - b|^2 / sum_n w_n  +  strength mean_j var(h_j) |W - W_before|^2,

    solved in float64. Weights w_n = (1 + gap / (3 median gap))^-2 make observations count for less where the DQN's best
    action is far ahead, since no small error changes those decisions.

    It costs nothing in the network. The readout fits its number of steps: fewer at run time are served worse than
    without. In "delta" coding h are the levels that a network shows once it has settled.

    Args:
        plan: A plan in raw numbers, or its network; its hidden weights may be any.
        graph: The network whose Q-values are wanted.
        observations: `[N, *input_shape]`; a few thousand, more than the readout has inputs.
        strength: Strength of the pull towards the readout as it was, 0 or more. By default, out of 1e-5 to 10, the one
            whose readouts, fitted to three quarters of the observations, agree best on the fourth; where none agrees
            better than the readout does as it is, that stays.
        near_ties: Whether to weigh observations; all count the same otherwise.
        progress: Show a progress bar when standard error is a terminal.

    Returns:
        SpikingPlan: With another readout.

    Raises:
        ArgumentError: If `strength` is negative.
        CalibrationError: If there are no observations.
        PlanError: If the plan is on a grid, is of another network, or its readout is not a matrix.

    Example:
        >>> from torch import nn
        >>> import dqn2snn
        >>> from dqn2snn.tracing import trace
        >>> net, states = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.rand(64, 4)
        >>> plan = dqn2snn.convert(net, states, recipe="tan2021", num_steps=8, grid=None).plan
        >>> made = ridge(plan, trace(net, (4,)), states, strength=1e-3)
        >>> q, before, after = net(states), *(dqn2snn.SpikingQNetwork(p)(states) for p in (plan, made))
        >>> bool((after - q).square().mean() < (before - q).square().mean())
        True
    """
    check_correctable(plan, graph)
    if not is_dense(plan.output):
        raise PlanError(
            f"Expected a readout {plan.output.name!r} that is a matrix. Found another. Leave ridge out."
        )
    batch, output, at_start = checked(observations, graph), plan.output, plan.coding.once
    weights = decision_weights(graph, batch) if near_ties else torch.ones(len(batch), dtype=torch.float64)
    unit, beside = output.threshold / plan.readout_scale, step_current(plan, output)
    pairs = [
        (arriving(output, part.rates), part.preactivations[-1])
        for part in responses(plan, graph, batch, len(plan.layers) - 1, progress=progress, label="ridge")
    ]
    h, q = (torch.cat(values).double() for values in zip(*pairs, strict=True))
    before = (output.v_init if at_start else output.affine.bias) + beside
    prior = (output.affine.weight / unit.reshape(-1, 1), (before / unit).expand(plan.num_actions))
    found = best_readout(h, q, weights, prior, strength)
    if found is None:
        return plan
    weight, bias = found
    nothing: Tensor | None = torch.zeros_like(bias) if at_start else None
    made = refitted(output, weight * unit.reshape(-1, 1), bias * unit - beside, nothing)
    return replace(plan, output=made)
