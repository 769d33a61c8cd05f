"""One spike per neuron, whose time is its value: step by step, and in closed form.

Each hidden layer has a window of T steps, which begins when that of the layer before it ends. A neuron that has
gathered v before its window sends the level n = clip(floor(v / theta), 0, T). It fires at step T - n of the window, for
n = 0 not at all. From then until the end of the window each of its synapses passes its weight as a current, n times. So

    v_l = v_init + W_l n_{l-1} + T b_l,    v_1 = v_init + T I,

and the charge of the output after t steps of the last window is `sum_i W_i max(0, n_i - (T - t)) + t b`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dqn2snn.dynamics.encode import constant_current
from dqn2snn.dynamics.neuron import if_step, initial_state
from dqn2snn.dynamics.record import Record, readouts
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.plan.graph import per_channel
from dqn2snn.plan.state import NeuronState

_ROWS = 2048
"""Samples times steps whose output currents are computed at once."""


def levels(plan: SpikingPlan, observations: Tensor, num_steps: int) -> list[Tensor]:
    """Levels of all hidden neurons, n out of T.

    Args:
        plan: The spiking network, cast to the dtype of the levels.
        observations: `[B, *input_shape]`.
        num_steps: T.

    Returns:
        list[Tensor]: `[B, *shape]` of each layer, whole numbers.
    """
    found: list[Tensor] = []
    for layer in plan.layers:
        if found:
            further = (num_steps - 1) * per_channel(layer.affine.bias, layer.shape)
            gathered = layer.affine(found[-1]) + further
        else:
            gathered = (num_steps * constant_current(plan, observations)).to(layer.v_init.dtype)
        found.append(torch.floor((layer.v_init + gathered) / layer.threshold).clamp(0, num_steps))
    return found


def simulate_windows(
    plan: SpikingPlan, observations: Tensor, num_steps: int, *, spikes: bool = False
) -> Record:
    """Simulate by what the windows add up to; on the grid the spikes are those of `latency_reference`.

    Args:
        plan: The spiking network, in "latency" coding, cast to float32 or float64; on the grid both give the same
            spikes.
        observations: `[B, *input_shape]`.
        num_steps: T, of each window.
        spikes: Keep every spike, of each layer in its own window.

    Returns:
        Record: Q-values after 1..T steps of the last window, in the dtype of the plan.
    """
    sent = levels(plan, observations, num_steps)
    times = torch.arange(num_steps, dtype=sent[0].dtype, device=sent[0].device)
    rows = max(1, _ROWS // max(1, len(observations)))
    output = _Output.of(plan.output, len(observations))
    for chunk in times.split(rows):
        currents = plan.output.affine(_open(sent[-1], chunk, num_steps).flatten(0, 1))
        for current in currents.unflatten(0, (len(chunk), -1)):
            output.step(current)
    trains = tuple(_fired(n, times, num_steps) for n in sent) if spikes else None
    return _record(plan, output, [(n > 0).to(n.dtype) for n in sent], trains)


def latency_reference(
    plan: SpikingPlan, observations: Tensor, num_steps: int, *, spikes: bool = False
) -> Record:
    """Simulate every window step by step in float64: the oracle of latency coding.

    Args:
        plan: The spiking network, in "latency" coding.
        observations: `[B, *input_shape]`.
        num_steps: T, of each window.
        spikes: Keep every spike, of each layer in its own window.

    Returns:
        Record: In float64.
    """
    exact = plan.cast(torch.float64, observations.device)
    current = constant_current(exact, observations)
    membrane = exact.layers[0].v_init.expand_as(current).clone()
    for _ in range(num_steps):
        membrane = membrane + current
    output = _Output.of(exact.output, len(observations))
    counts, trains = [], []
    for layer, after in zip(exact.layers, exact.all_layers[1:], strict=True):
        fired = torch.zeros_like(membrane, dtype=torch.bool)
        following = after.v_init.expand(len(observations), *after.shape).clone()
        train = []
        for t in range(num_steps):
            now = (membrane >= (num_steps - t) * layer.threshold) & ~fired  # a ramp of one threshold per step
            fired = fired | now
            train.append(now)
            arriving = after.affine(fired.double())
            if after is exact.output:
                output.step(arriving)
            following = following + arriving
        membrane = following
        counts.append(fired.double())
        trains.append(torch.stack(train))
    return _record(exact, output, counts, tuple(trains) if spikes else None)


@dataclass
class _Output:
    """The output neurons, which integrate and fire while the last window runs."""

    layer: SpikingLayer
    neurons: NeuronState
    spikes: list[Tensor]
    membranes: list[Tensor]

    @staticmethod
    def of(layer: SpikingLayer, batch: int) -> _Output:
        return _Output(layer, initial_state(layer, batch), [], [])

    def step(self, current: Tensor) -> None:
        fired, self.neurons = if_step(current, self.neurons, self.layer)
        self.spikes.append(fired.bool())
        self.membranes.append(self.neurons.membrane)


def _record(
    plan: SpikingPlan, output: _Output, counts: list[Tensor], trains: tuple[Tensor, ...] | None
) -> Record:
    fired = torch.stack(output.spikes)
    q, q_spike = readouts(plan, fired, torch.stack(output.membranes))
    sent = (*counts, output.neurons.count)
    kept = None if trains is None else (*trains, fired)
    return Record(len(fired), plan.layer_names, q, q_spike, sent, sent, kept)


def _open(level: Tensor, times: Tensor, num_steps: int) -> Tensor:
    """Whether the synapses of each neuron pass a current at each step, `[t, B, *shape]`."""
    at = times.reshape(-1, *(1 for _ in level.shape))
    return (at >= num_steps - level).to(level.dtype)


def _fired(level: Tensor, times: Tensor, num_steps: int) -> Tensor:
    """The one spike of each neuron in its window, `[T, B, *shape]`."""
    at = times.reshape(-1, *(1 for _ in level.shape))
    return (at == num_steps - level) & (level > 0)
