"""How many digits a network of digit neurons has, and how long each layer waits for those of the layer before."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dqn2snn.dynamics.encode import constant_current
from dqn2snn.dynamics.neuron import if_step, initial_state
from dqn2snn.engine.layerwise import simulate_layerwise
from dqn2snn.errors import PlanError
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.plan.graph import LayerGraph, per_channel

_ALLOWED = (1e-4, 1e-3, 1e-2, 0.1, 1.0)
"""Shares of membranes that may be left beyond what later digits can take back, each tried: fewer need longer delays."""

_LONGEST = 8
"""Steps that a layer waits for the one before, at most."""

_NUMBERS = 1 << 24
"""Spikes of a layer that are kept at once, at most."""


@dataclass(frozen=True)
class Timing:
    """When the neurons of a network of digits fire.

    Attributes:
        digits: Steps in which each layer sends.
        delays: Steps before the first of them, of each hidden layer.
        margin: Headroom of the thresholds.
    """

    digits: int
    delays: tuple[int, ...]
    margin: float


Make = Callable[[Timing], SpikingPlan]


@torch.no_grad()
def best_timing(
    make: Make,
    finished: Make,
    graph: LayerGraph,
    observations: Tensor,
    num_steps: int,
    margins: tuple[float, ...],
    delays: tuple[int, ...] | None = None,
) -> Timing:
    """Choose the timing with which a network decides a sample of observations best.

    Args:
        make: Makes the plan of a timing, in raw numbers.
        finished: Makes the plan as it will be used, on its grid.
        graph: The traced network, which says what is right.
        observations: The sample, `[M, *input_shape]`.
        num_steps: T, digits and delays together.
        margins: Headrooms that are tried.
        delays: Of each hidden layer, where they are given.

    Returns:
        Timing: Of at most `num_steps` steps.

    Raises:
        PlanError: If the given delays leave no step for a digit.
    """
    if delays is not None and delays[-1] >= num_steps:
        raise PlanError(
            f"Expected delays that leave a step for a digit. Found a delay of {delays[-1]} in {num_steps} steps. Use "
            f"at least {delays[-1] + 1} steps."
        )
    largest = max(layer.neurons for layer in graph.layers)
    sample = observations[: max(16, _NUMBERS // (largest * num_steps))]
    if delays is not None:
        candidates = [Timing(num_steps - delays[-1], delays, margin) for margin in margins]
    else:
        candidates = list(
            dict.fromkeys(
                t for margin in margins for t in _timings(make, len(graph.layers), sample, num_steps, margin)
            )
        )
    if len(candidates) == 1:
        return candidates[0]
    q_dqn = graph(sample.double())

    def badness(timing: Timing) -> float:
        try:
            return doubt(finished(timing), sample, q_dqn)
        except PlanError:  # no grid holds it; if none does, the caller finds out why
            return math.inf

    return min(candidates, key=badness)


def doubt(plan: SpikingPlan, observations: Tensor, q_dqn: Tensor) -> float:
    """How far a plan's errors are from changing decisions: the mean of `min(1, error / gap)`.

    Args:
        plan: The spiking network.
        observations: `[M, *input_shape]`.
        q_dqn: `[M, A]`, of the DQN.

    Returns:
        float: From 0, all Q-values exact, to 1. The error is that of differences between Q-values, the gap that between
        the two best actions.
    """
    q = simulate_layerwise(plan, observations, plan.num_steps).q[-1].double()
    error = q - q_dqn
    spread = error.amax(1) - error.amin(1)
    best = q_dqn.topk(min(2, q_dqn.shape[1]), dim=1).values
    gap = (best[:, 0] - best[:, -1]).clamp(min=1e-12)
    return float((spread / gap).nan_to_num(1.0).clamp(max=1).mean())


def _timings(make: Make, depth: int, observations: Tensor, num_steps: int, margin: float) -> Iterator[Timing]:
    """One for each share of membranes that may be left over, in at most `num_steps` steps."""
    plan = make(Timing(num_steps, (0,) * depth, margin)).cast(torch.float32)
    for allowed in _ALLOWED:
        count = num_steps
        while count >= 1:
            delays = _least_delays(plan, observations, count, allowed)
            if count + delays[-1] <= num_steps:
                yield Timing(num_steps - delays[-1], delays, margin)
                break
            count = min(count - 1, num_steps - delays[-1])


def _least_delays(plan: SpikingPlan, observations: Tensor, count: int, allowed: float) -> tuple[int, ...]:
    """The least delays, layer after layer, with which no more membranes are left over than allowed.

    Args:
        plan: Without delays, in float32 and raw numbers.
        observations: `[M, *input_shape]`.
        count: Digits.
        allowed: Share of the neurons of a layer.
    """
    first, *others = plan.layers
    current = constant_current(plan, observations).float()
    spikes, _ = _sent(replace(first, duration=count), [current], count)
    delays = [0]
    for layer in others:
        unit = layer.beta ** -delays[-1]
        currents = [layer.affine.linear(each) for each in spikes]
        currents[0] = currents[0] + unit * per_channel(layer.affine.bias, layer.shape)
        for extra in range(_LONGEST + 1):
            waiting = replace(layer, delay=delays[-1] + extra, duration=count)
            scaled = [current * layer.beta**-extra for current in currents]
            spikes, left = _sent(waiting, scaled, waiting.delay + count)
            if left <= allowed:
                break
        delays.append(waiting.delay)
    return tuple(delays)


def _sent(layer: SpikingLayer, currents: list[Tensor], num_steps: int) -> tuple[list[Tensor], float]:
    """The spikes of each step, and the share of membranes that are left beyond what a digit can take back."""
    state, spikes = initial_state(layer, len(currents[0])), []
    nothing = torch.zeros(())
    for step in range(num_steps):
        fired, state = if_step(currents[step] if step < len(currents) else nothing, state, layer, step)
        spikes.append(fired)
    away = state.membrane - layer.v_init
    left = (away.abs() > layer.max_spikes * layer.threshold) & ((away > 0) | (state.count > 0))
    return spikes, float(left.float().mean())
