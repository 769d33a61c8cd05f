"""Event-driven simulation, in C++: work is done where a neuron spikes, and nowhere else.

`EventNetwork` is a plan made ready for the compiled extension; `simulate_event` and `decide_event` run it. On the
grid the spikes are those of the float64 reference, one by one.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from dqn2snn.encode import constant_current
from dqn2snn.engine.available import event_engine, why_not
from dqn2snn.engine.event.lower import image
from dqn2snn.engine.event.prepare import build, refusal
from dqn2snn.errors import ArgumentError
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.record import Record

__all__ = ["EventNetwork", "decide_event", "q_event", "refusal", "simulate_event"]

_BATCH = 256
"""Decisions of one call to the engine: a progress bar and Ctrl-C come between two calls."""


class EventNetwork:
    """A plan, made ready for the event engine. Immutable: any number of threads may simulate it at once.

    Args:
        plan: A plan that `refusal` does not refuse.

    Raises:
        ArgumentError: If the extension is not there.
    """

    def __init__(self, plan: SpikingPlan) -> None:
        self.plan = plan
        module = event_engine()
        if module is None:
            raise ArgumentError(f"Expected the event engine to be there. Found that {why_not()}.")
        self._network, self._reads_observations = build(plan, module)

    def run(self, observations: Tensor, num_steps: int, threads: int, **results: object) -> None:
        """Simulate a batch and write the results into arrays, as `Network.run` of the extension does.

        Args:
            observations: `[B, *input_shape]`, on the CPU.
            num_steps: T.
            threads: Threads, each with one decision at a time.
            **results: Arrays to write to, by name.
        """
        currents = not self._reads_observations
        array = self._currents(observations).numpy() if currents else _readable(observations)
        self._network.run(array, currents=currents, steps=num_steps, threads=threads, **results)

    def _currents(self, observations: Tensor) -> Tensor:
        """The first layer's currents, pixel by pixel, where its synapses are not for the engine."""
        layer = self.plan.layers[0]
        current = constant_current(self.plan, observations)
        channels, height, width = image(layer.shape)
        current = current.reshape(len(current), channels, height * width).transpose(1, 2)
        if layer.fraction_bits is None:
            return current.float().contiguous()
        return (current * 2.0**layer.fraction_bits).to(torch.int32).contiguous()


def _readable(values: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    """The numbers as an array of a kind that the engine reads, without a copy where possible."""
    if values.dtype == torch.bool:
        values = values.view(torch.uint8)
    elif values.dtype not in (torch.uint8, torch.float32, torch.float64):
        values = values.double()
    return values.contiguous().numpy()


def q_event(network: EventNetwork, observations: Tensor, num_steps: int, *, threads: int = 1) -> Tensor:
    """Q-values by the robust rate after T steps, `[B, A]` float32, and nothing else.

    Args:
        network: The network.
        observations: `[B, *input_shape]`, on the CPU.
        num_steps: T.
        threads: Threads, each with one decision at a time.

    Returns:
        Tensor: The last step of `simulate_event(...).q`.
    """
    q = np.empty((len(observations), network.plan.num_actions), np.float32)
    for part in _parts(len(observations)):
        network.run(observations[part], num_steps, threads, q=q[part])
    return torch.from_numpy(q)


def _parts(batch: int) -> list[slice]:
    return [slice(start, min(start + _BATCH, batch)) for start in range(0, batch, _BATCH)]


def simulate_event(
    network: EventNetwork,
    observations: Tensor,
    num_steps: int,
    *,
    spikes: bool = False,
    threads: int = 1,
    progress: bool = False,
) -> Record:
    """Simulate event by event; on the grid the spikes are those of `simulate_reference`.

    Args:
        network: The network.
        observations: `[B, *input_shape]`, on the CPU.
        num_steps: T.
        spikes: Keep every spike of every layer.
        threads: Threads, each with one decision at a time.
        progress: Show a progress bar.

    Returns:
        Record: In float32.
    """
    parts = tqdm(_parts(max(1, len(observations))), desc="simulate", leave=False, disable=not progress)
    return Record.join([_record(network, observations[part], num_steps, spikes, threads) for part in parts])


def _record(
    network: EventNetwork, observations: Tensor, num_steps: int, spikes: bool, threads: int
) -> Record:
    plan, batch = network.plan, len(observations)
    layers, shapes = plan.all_layers, [layer.shape for layer in plan.all_layers]
    q, q_spike = (np.empty((num_steps, batch, plan.num_actions), np.float32) for _ in range(2))
    counts = [np.empty((batch, *shape), np.float32) for shape in shapes]
    sent = [
        np.empty_like(count) if layer.signed else None for layer, count in zip(layers, counts, strict=True)
    ]
    kept = [np.empty((num_steps, batch, *shape), np.int8) for shape in shapes] if spikes else None
    network.run(observations, num_steps, threads, q=q, q_spike=q_spike, counts=counts, sent=sent, spikes=kept)
    net = [torch.from_numpy(count) for count in counts]
    return Record(
        num_steps=num_steps,
        layer_names=plan.layer_names,
        q=torch.from_numpy(q),
        q_spike=torch.from_numpy(q_spike),
        counts=tuple(net),
        sent=tuple(
            count if array is None else torch.from_numpy(array)
            for count, array in zip(net, sent, strict=True)
        ),
        spikes=None if kept is None else tuple(map(_train, layers, kept)),
    )


def _train(layer: SpikingLayer, spikes: NDArray[np.int8]) -> Tensor:
    train = torch.from_numpy(spikes)
    return train.bool() if layer.plain else train


def decide_event(
    network: EventNetwork,
    observations: Tensor,
    max_steps: int,
    *,
    margin: float,
    every: int,
    threads: int = 1,
) -> tuple[Tensor, Tensor]:
    """Simulate each observation until its action is settled, by the rule of `dqn2snn.decide`.

    Args:
        network: The network.
        observations: `[B, *input_shape]`, on the CPU.
        max_steps: T, for those that are never settled.
        margin: How large a lead settles an action.
        every: Steps from one look to the next.
        threads: Threads, each with one decision at a time.

    Returns:
        tuple[Tensor, Tensor]: Q-values `[B, A]` float32 at the last step of each, and its number `[B]` int64.
    """
    q = np.empty((len(observations), network.plan.num_actions), np.float32)
    used = np.empty(len(observations), np.int64)
    for part in _parts(len(observations)):
        network.run(
            observations[part], max_steps, threads, every=every, margin=margin, q=q[part], used=used[part]
        )
    return torch.from_numpy(q), torch.from_numpy(used)
