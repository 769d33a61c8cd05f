"""Decisions in sequence, by events: what did not change since the last one costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dqn2snn.dynamics.record import Record
from dqn2snn.engine.event.arrays import RecordArrays
from dqn2snn.engine.event.network import EventNetwork


class EventStream:
    """Networks in control loops, one for each environment; on the grid it gives what the reference gives.

    Threads may use it one after the other.

    Args:
        network: The network, of a plan that remembers (`SpikingPlan.stateful`).
        threads: How many threads a decision may use, each with one environment at a time; asked at each decision.
    """

    def __init__(self, network: EventNetwork, threads: Callable[[], int] = lambda: 1) -> None:
        self._network = network
        self._threads = threads
        self._stream = network.stream()

    def advance(
        self,
        observations: Tensor,
        num_steps: int,
        rows: Tensor,
        episode_start: Tensor,
        *,
        spikes: bool = False,
    ) -> Record:
        """One decision in each of some environments.

        Args:
            observations: `[B, *input_shape]`, on the CPU.
            num_steps: T.
            rows: Numbers of the environments, `[B]` int64, each once; a new one is at rest.
            episode_start: Whether an episode begins, `[B]` bool.
            spikes: Keep every spike of every layer, but for those of a warm-up.

        Returns:
            Record: Of these decisions, in float32; the spikes of a warm-up are counted as sent.
        """
        plan = self._network.plan
        arrays = RecordArrays.empty(
            plan, len(observations), num_steps, spikes=spikes, remembers=plan.coding.persistent
        )
        self._run(observations, num_steps, rows, episode_start, **vars(arrays))
        return arrays.record(plan)

    def q(self, observations: Tensor, num_steps: int, rows: Tensor, episode_start: Tensor) -> Tensor:
        """The last step of `advance(...).q`, and nothing else, which is much faster.

        Args:
            observations: As of `advance`.
            num_steps: As of `advance`.
            rows: As of `advance`.
            episode_start: As of `advance`.

        Returns:
            Tensor: Q-values, `[B, A]` float32.
        """
        plan = self._network.plan
        steps = (num_steps,) if plan.coding.looks_back(plan) else ()
        q = np.empty((*steps, len(observations), plan.num_actions), np.float32)
        self._run(observations, num_steps, rows, episode_start, q=q)
        return plan.coding.read(plan, torch.from_numpy(q))[-1] if steps else torch.from_numpy(q)

    def reset(self) -> None:
        """Forget everything."""
        self._stream = self._network.stream()

    def _run(
        self, observations: Tensor, num_steps: int, rows: Tensor, episode_start: Tensor, **results: Any
    ) -> None:
        array, currents = self._network.readable(observations)
        self._stream.advance(
            array,
            currents=currents,
            rows=rows.contiguous().numpy(),
            first=episode_start.contiguous().numpy(),
            steps=num_steps,
            threads=self._threads(),
            **results,
        )
