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
from dqn2snn.plan import PlanOrNetwork, SpikingPlan, plan_of
from dqn2snn.tracing.observations import Observations, check_observations

__all__ = ["BATCH", "mean_spikes", "mean_spikes_of", "step_weights"]

_KEPT = 2**25
"""Bytes of spikes that are kept at a time, a byte for each neuron, step and observation."""

BATCH = 256
"""Observations that are simulated at once, at most; memory does not grow with their number."""


def step_weights(plan: SpikingPlan) -> Tensor:
    """How much a spike at each step counts in the readout, `[T]`, float64.

    The mean rate counts all alike, 1 / T. The slope of the charge, sum_t t C(t) / sum_t t^2, counts an early spike,
    which is in every later C(t), for more: w_s = sum_{t >= s} t / sum_t t^2. Both sum to one. In "delta" coding
    spikes are summed.

    Example:
        >>> import dqn2snn
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        >>> step_weights(dqn2snn.convert(net, torch.rand(64, 4), recipe="tan2021", num_steps=4).plan)
        tensor([0.2500, 0.2500, 0.2500, 0.2500], dtype=torch.float64)
    """
    if plan.coding == "delta":
        return torch.ones(plan.warmup_steps + plan.num_steps, dtype=torch.float64)
    steps = torch.arange(1, plan.num_steps + 1, dtype=torch.float64)
    if plan.readout == "slope":
        return steps.flip(0).cumsum(0).flip(0) / (steps * steps).sum()
    return torch.full_like(steps, 1 / plan.num_steps)


def mean_spikes(
    plan: PlanOrNetwork, observations: Observations, layers: Sequence[int] | None = None
) -> tuple[Tensor, ...]:
    """The mean over time of the spikes of hidden neurons, weighted by `step_weights`.

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
    if plan.coding == "latency":
        raise PlanError(
            "Expected spikes that are counted. Found latency coding, where spikes are times. Use record."
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
    plan, weights = prepared.plan, step_weights(prepared.plan).float()
    spikes: list[NDArray[np.int8] | None] = [
        np.empty((plan.num_steps, len(observations), *layer.shape), np.int8) if i in wanted else None
        for i, layer in enumerate(plan.all_layers)
    ]
    prepared.events.run(observations, plan.num_steps, torch.get_num_threads(), spikes=spikes)
    kept = {i: torch.from_numpy(train) for i, train in enumerate(spikes) if train is not None}
    return tuple((weights @ kept[i].flatten(1).float()).reshape(kept[i].shape[1:]) for i in wanted)


def _by_steps(prepared: PreparedPlan, observations: Tensor, wanted: Sequence[int]) -> tuple[Tensor, ...]:
    plan = prepared.tensors
    current, zero = constant_current(plan, observations).float(), None
    layers = plan.layers[: max(wanted, default=-1) + 1]
    states = list(at_rest(plan, len(observations)).layers[: len(layers)])
    means = [torch.zeros_like(state.membrane) for state in states]
    for t, weight in enumerate(step_weights(plan).tolist()):
        if t and plan.coding == "delta":
            current = zero = torch.zeros_like(current) if zero is None else zero
        fired = current
        for i, layer in enumerate(layers):
            arriving = fired if i == 0 else layer.affine(fired)
            if layer.step_bias is not None:
                arriving = arriving + layer.step_bias[t]
            fired, states[i] = if_step(arriving, states[i], layer)
            means[i].add_(fired, alpha=weight)
    return tuple(means[i] for i in wanted)
