"""Event-driven simulation, in C++: work is done where a neuron spikes, and nowhere else.

`EventNetwork` is a plan made ready for the compiled extension; `simulate_event` and `decide_event` run it, and
`EventStream` lets it remember from one decision to the next. On the grid the spikes are those of the float64
reference, one by one.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from dqn2snn.dynamics.codings.rate import by_readout
from dqn2snn.dynamics.record import Record
from dqn2snn.engine.event.arrays import RecordArrays
from dqn2snn.engine.event.network import EventNetwork
from dqn2snn.engine.event.prepare import refusal
from dqn2snn.engine.event.stream import EventStream

__all__ = ["EventNetwork", "EventStream", "decide_event", "q_event", "refusal", "simulate_event"]

_BATCH = 256
"""Decisions of one call to the engine: a progress bar and Ctrl-C come between two calls."""


def q_event(network: EventNetwork, observations: Tensor, num_steps: int, *, threads: int = 1) -> Tensor:
    """Q-values by the plan's readout after T steps, `[B, A]` float32, and nothing else.

    Args:
        network: The network.
        observations: `[B, *input_shape]`, on the CPU.
        num_steps: T.
        threads: Threads, each with one decision at a time.

    Returns:
        Tensor: The last step of `simulate_event(...).q`.
    """
    plan, batch = network.plan, len(observations)
    slope = plan.readout == "slope"
    values = np.empty((batch, plan.num_actions), np.float32)
    for part in _parts(batch):
        if slope:
            q = np.empty((num_steps, *values[part].shape), np.float32)
            network.run(observations[part], num_steps, threads, q=q)
            values[part] = by_readout(plan, torch.from_numpy(q))[-1].numpy()
        else:
            network.run(observations[part], num_steps, threads, q=values[part])
    return torch.from_numpy(values)


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
    arrays = RecordArrays.empty(network.plan, len(observations), num_steps, spikes=spikes, remembers=False)
    network.run(observations, num_steps, threads, **vars(arrays))
    return arrays.record(network.plan)


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
        network: The network, of a plan in "rate" coding.
        observations: `[B, *input_shape]`, on the CPU.
        max_steps: T, for those that are never settled.
        margin: How large a lead settles an action.
        every: Steps from one look to the next.
        threads: Threads, each with one decision at a time.

    Returns:
        tuple[Tensor, Tensor]: Q-values by the robust rate `[B, A]` float32 at the last step of each, and its number
        `[B]` int64.
    """
    q = np.empty((len(observations), network.plan.num_actions), np.float32)
    used = np.empty(len(observations), np.int64)
    for part in _parts(len(observations)):
        network.run(
            observations[part], max_steps, threads, every=every, margin=margin, q=q[part], used=used[part]
        )
    return torch.from_numpy(q), torch.from_numpy(used)
