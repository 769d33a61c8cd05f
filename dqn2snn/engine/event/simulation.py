"""The engine of events: decisions, each in a thread of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dqn2snn._utils.progress import progress_bar
from dqn2snn.dynamics.record import Record
from dqn2snn.engine.available import event_engine
from dqn2snn.engine.decide import Decision
from dqn2snn.engine.event.arrays import RecordArrays
from dqn2snn.engine.event.network import EventNetwork
from dqn2snn.engine.event.prepare import refusal
from dqn2snn.engine.event.stream import EventStream
from dqn2snn.engine.simulation import Engine, Host, Simulation
from dqn2snn.engine.streaming import Streaming
from dqn2snn.engine.values import BATCH
from dqn2snn.plan import SpikingPlan

_BATCH = 256
"""Decisions of one call to the engine: a progress bar and Ctrl-C come between two calls."""

_KEPT = 2**25
"""Bytes of spikes that are kept at a time for `values`, a byte for each neuron, step and observation."""


@dataclass(frozen=True, eq=False)
class _Events(Simulation):
    threads: Callable[[], int]

    @cached_property
    def network(self) -> EventNetwork:
        return EventNetwork(self.plan)

    def run(
        self, observations: Tensor, num_steps: int, *, spikes: bool = False, progress: bool = True
    ) -> Record:
        parts = progress_bar(_parts(max(1, len(observations))), label="simulate", progress=progress)
        return Record.join([self._record(observations[part], num_steps, spikes) for part in parts])

    def _record(self, observations: Tensor, num_steps: int, spikes: bool) -> Record:
        arrays = RecordArrays.empty(self.plan, len(observations), num_steps, spikes=spikes, remembers=False)
        self.network.run(observations, num_steps, self.threads(), **vars(arrays))
        return arrays.record(self.plan)

    def q(self, observations: Tensor, num_steps: int) -> Tensor:
        plan, network, threads = self.plan, self.network, self.threads()
        values = np.empty((len(observations), plan.num_actions), np.float32)
        for part in _parts(len(observations)):
            if plan.coding.looks_back(plan):
                q = np.empty((num_steps, *values[part].shape), np.float32)
                network.run(observations[part], num_steps, threads, q=q)
                values[part] = plan.coding.read(plan, torch.from_numpy(q))[-1].numpy()
            else:
                network.run(observations[part], num_steps, threads, q=values[part])
        return torch.from_numpy(values)

    def decide(self, observations: Tensor, num_steps: int, margin: float, every: int) -> Decision:
        """Each observation is simulated until it is settled, and no longer."""
        network, threads, every = self.network, self.threads(), min(int(every), num_steps + 1)
        q = np.empty((len(observations), self.plan.num_actions), np.float32)
        used = np.empty(len(observations), np.int64)
        for part in _parts(len(observations)):
            network.run(
                observations[part],
                num_steps,
                threads,
                every=every,
                margin=float(margin),
                q=q[part],
                used=used[part],
            )
        by_rate = torch.from_numpy(q)
        return Decision(by_rate.argmax(dim=1), torch.from_numpy(used), by_rate)

    def values(self, observations: Tensor, layers: Sequence[int]) -> tuple[Tensor, ...]:
        # While a plan is made, its numbers need not be on the grid that it names: only raw ones are for the engine.
        if self.plan.on_grid or not layers:
            return super().values(observations, layers)
        neurons = sum(math.prod(self.plan.layers[i].shape) for i in layers)
        size = max(1, min(BATCH, _KEPT // (self.plan.num_steps * neurons)))
        parts = [
            values_by_events(self.network, part, layers, self.threads()) for part in observations.split(size)
        ]
        return tuple(torch.cat(layer) for layer in zip(*parts, strict=True))

    def stream(self, resync_every: int | None = None) -> Streaming:
        return EventStream(self.network, self.threads) if self.plan.stateful else super().stream()


def values_by_events(
    network: EventNetwork, observations: Tensor, layers: Sequence[int], threads: int
) -> tuple[Tensor, ...]:
    """Several times as fast as `values_by_steps`, though every spike of these layers is kept.

    Args:
        network: The network.
        observations: `[B, *input_shape]`, on the CPU.
        layers: Which hidden layers.
        threads: Threads, each with one decision at a time.

    Returns:
        tuple[Tensor, ...]: `[B, *shape]` float32 of each of these layers.
    """
    plan = network.plan
    worth = plan.coding.worth(plan).float()
    spikes: list[NDArray[np.int8] | None] = [
        np.empty((plan.num_steps, len(observations), *layer.shape), np.int8) if i in layers else None
        for i, layer in enumerate(plan.all_layers)
    ]
    network.run(observations, plan.num_steps, threads, spikes=spikes)
    kept = {i: torch.from_numpy(train) for i, train in enumerate(spikes) if train is not None}
    return tuple((worth @ kept[i].flatten(1).float()).reshape(kept[i].shape[1:]) for i in layers)


def _parts(batch: int) -> list[slice]:
    return [slice(start, min(start + _BATCH, batch)) for start in range(0, batch, _BATCH)]


class _Engine(Engine):
    name = "event"
    about = "by events, in C++ on the CPU; reads the plan, the same for both backends"

    def refusal(self, plan: SpikingPlan, device: torch.device) -> str | None:
        if device.type != "cpu":
            return f"the network is on {device} and the event engine runs on the CPU"
        return refusal(plan)

    def prepare(self, plan: SpikingPlan, device: torch.device, host: Host) -> Simulation:
        return _Events(plan, plan, host.threads)

    def passed_over(self, device: torch.device) -> None:
        if device.type == "cpu":
            event_engine()  # warns if it is missing


EVENT: Final = _Engine()
