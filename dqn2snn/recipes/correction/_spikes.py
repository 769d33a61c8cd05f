"""How often hidden neurons spike on average, which is what corrections behind the first layer go by."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dqn2snn.dynamics.encode import constant_current
from dqn2snn.dynamics.neuron import if_step
from dqn2snn.dynamics.state import at_rest
from dqn2snn.engine.choice import PreparedPlan
from dqn2snn.errors import ArgumentError, PlanError
from dqn2snn.plan import PlanOrNetwork, plan_of
from dqn2snn.tracing.observations import Observations, check_observations

__all__ = ["BATCH", "mean_spikes", "mean_spikes_of"]

_KEPT = 2**25
"""Bytes of spikes that are kept at a time, a byte for each neuron, step and observation."""

BATCH = 256
"""Observations that are simulated at once, at most; memory does not grow with their number."""


def mean_spikes(
    plan: PlanOrNetwork, observations: Observations, layers: Sequence[int] | None = None
) -> tuple[Tensor, ...]:
    """The mean over time of the spikes of hidden neurons, weighted by `Coding.worth`.

    A decision starts from rest. In "delta" coding it takes the steps of the first decision of an episode, after
    which the levels have settled, and spikes are summed.

    Args:
        plan: A plan of any recipe whose spikes are counted, or its network.
        observations: `[N, *input_shape]`, one or more.
        layers: Which hidden layers; all by default.

    Returns:
        tuple[Tensor, ...]: `[N, *shape]` float32 of each of these layers.

    Raises:
        ArgumentError: If there is no such layer.
        ObservationError: If the observations have the wrong shape, or hold NaN or infinity.
        PlanError: If the plan codes by latency.

    Example:
        >>> import dqn2snn
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        >>> states = torch.rand(64, 4)
        >>> [rates.shape for rates in mean_spikes(dqn2snn.convert(net, states, num_steps=4).plan, states)]
        [torch.Size([64, 8])]
    """
    plan = plan_of(plan)
    if not plan.coding.counted:
        raise PlanError(
            f"Expected spikes that are counted. Found {plan.coding} coding, where their times say more. Use record."
        )
    batch, hidden = check_observations(observations, plan.input_shape), range(len(plan.layers))
    wanted = hidden if layers is None else layers
    if not set(wanted) <= set(hidden):
        raise ArgumentError(
            f"Expected hidden layers out of 0 to {len(hidden) - 1}. Found {list(wanted)}. Leave layers out for all."
        )
    return mean_spikes_of(PreparedPlan(plan, batch.device), batch, wanted)


def mean_spikes_of(prepared: PreparedPlan, observations: Tensor, layers: Sequence[int]) -> tuple[Tensor, ...]:
    """`mean_spikes` of a plan that has been prepared, once for many batches.

    Args:
        prepared: The plan, on the device of the observations.
        observations: `[N, *input_shape]`, one or more.
        layers: Which hidden layers.

    Returns:
        tuple[Tensor, ...]: `[N, *shape]` float32 of each of these layers.
    """
    plan = prepared.plan
    # Off a grid alone: while a plan is made, its numbers need not be on the one that it names.
    if not layers or plan.on_grid or prepared.refusal is not None:
        parts = [_by_steps(prepared, part, layers) for part in observations.split(BATCH)]
    else:
        kept = plan.num_steps * sum(math.prod(plan.layers[i].shape) for i in layers)
        parts = [
            _by_events(prepared, part, layers)
            for part in observations.split(max(1, min(BATCH, _KEPT // kept)))
        ]
    return tuple(torch.cat(layer) for layer in zip(*parts, strict=True))


def _by_events(prepared: PreparedPlan, observations: Tensor, wanted: Sequence[int]) -> tuple[Tensor, ...]:
    """The event engine is several times as fast as the steps below, also where it keeps every spike."""
    plan, weights = prepared.plan, prepared.plan.coding.worth(prepared.plan).float()
    spikes: list[NDArray[np.int8] | None] = [
        np.empty((plan.num_steps, len(observations), *layer.shape), np.int8) if i in wanted else None
        for i, layer in enumerate(plan.all_layers)
    ]
    prepared.events.run(observations, plan.num_steps, torch.get_num_threads(), spikes=spikes)
    kept = {i: torch.from_numpy(train) for i, train in enumerate(spikes) if train is not None}
    return tuple((weights @ kept[i].flatten(1).float()).reshape(kept[i].shape[1:]) for i in wanted)


def _by_steps(prepared: PreparedPlan, observations: Tensor, wanted: Sequence[int]) -> tuple[Tensor, ...]:
    plan = prepared.tensors
    layers = plan.layers[: max(wanted, default=-1) + 1]
    states = list(at_rest(plan, len(observations)).layers[: len(layers)])
    means = [torch.zeros_like(state.membrane) for state in states]
    current = constant_current(plan, observations).float()
    first, later = plan.coding.drive(current, torch.zeros_like(current))
    for t, weight in enumerate(plan.coding.worth(plan).tolist()):
        fired = later if t else first
        for i, layer in enumerate(layers):
            arriving = fired if i == 0 else layer.affine(fired)
            if layer.step_bias is not None:
                arriving = arriving + layer.step_bias[t]
            fired, states[i] = if_step(arriving, states[i], layer)
            means[i].add_(fired, alpha=weight)
    return tuple(means[i] for i in wanted)
