"""The oracle: a float64 step loop, as plain as the equations."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from dqn2snn.dynamics.encode import constant_current
from dqn2snn.dynamics.record import Record, readouts
from dqn2snn.dynamics.step import network_step
from dqn2snn.engine.latency import latency_reference
from dqn2snn.engine.simulation import Engine, Host, StatefulSimulation
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.state import NetworkState


def simulate_reference(
    plan: SpikingPlan, observations: Tensor, num_steps: int, *, spikes: bool = False
) -> Record:
    """Simulate step by step in float64; a spike reaches the next layer within its step, or in its window.

    Args:
        plan: The spiking network.
        observations: `[B, *input_shape]`.
        num_steps: T.
        spikes: Keep every spike of every layer.

    Returns:
        Record: In float64.
    """
    return _simulation(plan, observations.device).run(observations, num_steps, spikes=spikes)


def advance_reference(
    plan: SpikingPlan, observations: Tensor, num_steps: int, state: NetworkState, *, spikes: bool = False
) -> tuple[Record, NetworkState]:
    """Simulate a decision from any state.

    Args:
        plan: The spiking network in float64, on the device of the observations.
        observations: `[B, *input_shape]`.
        num_steps: T.
        state: In which the decision begins.
        spikes: Keep every spike of every layer.

    Returns:
        tuple[Record, NetworkState]: What happened, and the state after the last step.
    """
    if plan.coding.windowed:
        return latency_reference(plan, observations, num_steps, spikes=spikes), state
    constant = constant_current(plan, observations)
    first, later = plan.coding.drive(constant, state.current)
    layers, states = plan.all_layers, list(state.layers)
    sent = [torch.zeros_like(neurons.count) for neurons in states]
    trains: list[list[Tensor]] = [[] for _ in layers]
    output_membrane = []
    for t in range(num_steps):
        fired, states = network_step(plan, later if t else first, states, t)
        for i, layer in enumerate(layers):
            sent[i] += fired[i].abs()
            if spikes or layer is layers[-1]:
                trains[i].append(fired[i].bool() if layer.plain else fired[i].to(torch.int8))
        output_membrane.append(states[-1].membrane)
    q, q_spike = readouts(plan, torch.stack(trains[-1]), torch.stack(output_membrane), state.layers[-1].count)
    kept = tuple(torch.stack(train) for train in trains) if spikes else None
    counts = tuple(neurons.count for neurons in states)
    record = Record(num_steps, plan.layer_names, q, q_spike, counts, tuple(sent), kept)
    return record, NetworkState(tuple(states), constant)


class _Reference(StatefulSimulation):
    @torch.no_grad()
    def advance(
        self, observations: Tensor, num_steps: int, state: NetworkState, *, spikes: bool = False
    ) -> tuple[Record, NetworkState]:
        return advance_reference(self.ready, observations, num_steps, state, spikes=spikes)


def _simulation(plan: SpikingPlan, device: torch.device) -> _Reference:
    return _Reference(plan, plan.cast(torch.float64, device))


class _Engine(Engine):
    name = "reference"
    about = "a float64 step loop, the oracle of the tests"

    def prepare(self, plan: SpikingPlan, device: torch.device, host: Host) -> StatefulSimulation:
        return _simulation(plan, device)


REFERENCE: Final = _Engine()
