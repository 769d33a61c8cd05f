"""Values of hidden neurons at the end of a decision: their spikes, each by its worth."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dqn2snn.dynamics.encode import constant_current
from dqn2snn.dynamics.state import at_rest
from dqn2snn.dynamics.step import network_step
from dqn2snn.plan import SpikingPlan

BATCH = 256
"""Observations that are simulated at once, at most; memory does not grow with their number."""


def values_by_steps(plan: SpikingPlan, observations: Tensor, layers: Sequence[int]) -> tuple[Tensor, ...]:
    """Simulate no more layers than are asked for, step by step, and keep no spikes.

    Args:
        plan: In float32, on the device of the observations; its numbers need not be on the grid that it names.
        observations: `[N, *input_shape]`, one or more.
        layers: Which hidden layers.

    Returns:
        tuple[Tensor, ...]: `[N, *shape]` float32 of each of these layers.
    """
    parts = [_values(plan, part, layers) for part in observations.split(BATCH)]
    return tuple(torch.cat(layer) for layer in zip(*parts, strict=True))


def _values(plan: SpikingPlan, observations: Tensor, wanted: Sequence[int]) -> tuple[Tensor, ...]:
    states = list(at_rest(plan, len(observations)).layers[: max(wanted, default=-1) + 1])
    values = [torch.zeros_like(state.membrane) for state in states]
    current = constant_current(plan, observations).float()
    first, later = plan.coding.drive(current, torch.zeros_like(current))
    for t, worth in enumerate(plan.coding.worth(plan).tolist()):
        fired, states = network_step(plan, later if t else first, states, t)
        for value, spikes in zip(values, fired, strict=True):
            value.add_(spikes, alpha=worth)
    return tuple(values[i] for i in wanted)
