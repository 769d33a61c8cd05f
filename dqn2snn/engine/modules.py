"""Running the native neuron modules themselves, step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from dqn2snn.dynamics.neuron import grown
from dqn2snn.dynamics.record import Record, readouts
from dqn2snn.engine.simulation import Engine, Host, StatefulSimulation
from dqn2snn.neurons.backends import Adapter
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.state import NetworkState, NeuronState


def simulate_modules(
    adapter: Adapter,
    plan: SpikingPlan,
    observations: Tensor,
    num_steps: int,
    start: NetworkState | None = None,
    *,
    spikes: bool = False,
) -> tuple[Record, NetworkState]:
    """Simulate a network that a backend built.

    Args:
        adapter: The native network.
        plan: The plan that it was made of.
        observations: `[B, *input_shape]`.
        num_steps: T.
        start: State in which the decision begins; it is not changed. None for the initial membranes of the modules,
            which may have been trained.
        spikes: Keep every spike of every layer.

    Returns:
        tuple[Record, NetworkState]: What happened, in the dtype of the network, float32 at least, since a bfloat16
        cannot count to 257; and the state after the last step, in the dtype of `start`.
    """
    level = adapter.encoder(observations)
    dtype = torch.promote_types(level.dtype, torch.float32)
    state = None if start is None else adapter.native(start, level)
    counts = [] if start is None else [neurons.count.to(dtype) for neurons in start.layers]
    unbroken = start is None and all(layer.plain and layer.growth == 1 for layer in plan.all_layers)
    sent: list[Tensor] = []
    before = counts[-1] if counts else 0.0
    trains: list[list[Tensor]] = [[] for _ in plan.all_layers]
    outputs, membranes = [], []
    for _ in range(num_steps):
        fired, state = adapter.advance(level, state)
        fired = [x.to(dtype) for x in fired]
        counts = _sum([grown(n, layer) for n, layer in zip(counts, plan.all_layers, strict=False)], fired)
        sent = counts if unbroken else _sum(sent, [x.abs() for x in fired])
        outputs.append(fired[-1])
        membranes.append(adapter.membrane(state, -1).to(dtype))
        for train, x, layer in zip(trains, fired, plan.all_layers, strict=True):
            if spikes:
                train.append(x.bool() if layer.plain else x.to(torch.int8))
    q, q_spike = readouts(plan, torch.stack(outputs), torch.stack(membranes), before)
    kept = tuple(torch.stack(train) for train in trains) if spikes else None
    record = Record(num_steps, plan.layer_names, q, q_spike, tuple(counts), tuple(sent), kept)
    left = (adapter.membrane(state, i) for i in range(len(counts)))
    kind = dtype if start is None else start.current.dtype
    after = tuple(NeuronState(v.to(kind), n.to(kind)) for v, n in zip(left, counts, strict=True))
    return record, NetworkState(after, level.to(kind))


def _sum(totals: list[Tensor], new: list[Tensor]) -> list[Tensor]:
    return [total + x for total, x in zip(totals, new, strict=True)] if totals else new


@dataclass(frozen=True, eq=False)
class _Modules(StatefulSimulation):
    """The modules as they are at each call. Gradients reach them."""

    adapter: Callable[[], Adapter]

    def run(
        self, observations: Tensor, num_steps: int, *, spikes: bool = False, progress: bool = True
    ) -> Record:
        # Not from the plan's state at rest: the modules may have been trained.
        return simulate_modules(self.adapter(), self.plan, observations, num_steps, spikes=spikes)[0]

    def advance(
        self, observations: Tensor, num_steps: int, state: NetworkState, *, spikes: bool = False
    ) -> tuple[Record, NetworkState]:
        return simulate_modules(self.adapter(), self.plan, observations, num_steps, state, spikes=spikes)


class _Engine(Engine):
    name = "modules"
    about = "the native modules of the backend, step by step"

    def refusal(self, plan: SpikingPlan, device: torch.device) -> str | None:
        if plan.coding.windowed:
            return f"it is in {plan.coding} coding, whose spikes neuron modules cannot time"
        return None

    def prepare(self, plan: SpikingPlan, device: torch.device, host: Host) -> StatefulSimulation:
        return _Modules(plan, plan.cast(torch.float32, device), host.adapter)


MODULES: Final = _Engine()
