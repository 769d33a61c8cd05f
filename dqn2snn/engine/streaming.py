"""Decisions in sequence, each from the state in which the last one ended, for the engines that hand states on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from dqn2snn.dynamics.record import Record
from dqn2snn.dynamics.state import at_rest, merged, selected
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.state import NetworkState

if TYPE_CHECKING:
    from dqn2snn.engine.simulation import Simulation

Advance = Callable[..., tuple[Record, NetworkState]]
"""Simulates a batch for a number of steps from a state: `advance(observations, num_steps, state, spikes=...)`."""


class Streaming(Protocol):
    """A simulation of decisions in sequence."""

    def advance(
        self,
        observations: Tensor,
        num_steps: int,
        rows: Tensor,
        episode_start: Tensor,
        *,
        spikes: bool = False,
    ) -> Record:
        """One decision in each of some environments."""

    def q(self, observations: Tensor, num_steps: int, rows: Tensor, episode_start: Tensor) -> Tensor:
        """Q-values after the last step of `advance`, and nothing else."""

    def reset(self) -> None:
        """Forget everything."""


class Forgetful:
    """Decisions that know nothing of those before them.

    Args:
        simulation: What simulates them.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def advance(
        self,
        observations: Tensor,
        num_steps: int,
        rows: Tensor,
        episode_start: Tensor,
        *,
        spikes: bool = False,
    ) -> Record:
        """One decision in each environment."""
        return self._simulation.run(observations, num_steps, spikes=spikes, progress=False)

    def q(self, observations: Tensor, num_steps: int, rows: Tensor, episode_start: Tensor) -> Tensor:
        """Q-values after the last step of `advance`, and nothing else."""
        return self._simulation.q(observations, num_steps)

    def reset(self) -> None:
        """There is nothing to forget."""


class StateStream:
    """A batch of networks, one for each environment, and what each of them remembers.

    Args:
        plan: The spiking network, cast to the dtype and device of its states.
        advance: The engine.
        resync_every: Decisions after which membranes are computed anew (`Coding.resynchronised`); None
            for never, which on the grid is the same.
    """

    def __init__(self, plan: SpikingPlan, advance: Advance, resync_every: int | None = None) -> None:
        self.plan = plan
        self._simulate = advance
        self._resync_every = resync_every
        self._decisions = 0
        self._state = at_rest(plan, 0)
        self._unseen = torch.ones(0, dtype=torch.bool, device=self._state.current.device)

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
            observations: `[B, *input_shape]`, on the device of the plan.
            num_steps: T.
            rows: Numbers of the environments, `[B]` int64, each once; a new one is at rest.
            episode_start: Whether an episode begins, `[B]` bool.
            spikes: Keep every spike of every layer, but for those of a warm-up.

        Returns:
            Record: Of these decisions; the spikes of a warm-up are counted as sent.
        """
        self._grow(int(rows.max()) + 1 if len(rows) else 0)
        new = episode_start | self._unseen[rows]
        self._unseen[rows] = False
        state = self.plan.coding.between(self.plan, selected(self._state, rows))
        state = merged(state, new, at_rest(self.plan, int(new.sum())))
        spent = None
        if self.plan.warmup_steps and bool(new.any()):
            spent, warm = self._simulate(observations[new], self.plan.warmup_steps, selected(state, new))
            state = merged(state, new, warm)
        record, state = self._simulate(observations, num_steps, state, spikes=spikes)
        self._decisions += 1
        if self._resync_every and self._decisions % self._resync_every == 0:
            state = self.plan.coding.resynchronised(self.plan, state)
        self._state = merged(self._state, rows, state)
        return record if spent is None else _with_warmup(record, spent, new)

    def q(self, observations: Tensor, num_steps: int, rows: Tensor, episode_start: Tensor) -> Tensor:
        """Q-values after the last step of `advance`."""
        return self.advance(observations, num_steps, rows, episode_start).q[-1]

    def reset(self) -> None:
        """Forget everything."""
        self._state = at_rest(self.plan, 0)
        self._unseen = self._unseen[:0]

    def _grow(self, size: int) -> None:
        known = len(self._unseen)
        if size > known:
            rows = torch.arange(size, device=self._unseen.device)
            self._state = merged(at_rest(self.plan, size), rows < known, self._state)
            self._unseen = torch.cat([self._unseen, torch.ones_like(rows[known:], dtype=torch.bool)])


def _with_warmup(record: Record, spent: Record, new: Tensor) -> Record:
    sent = []
    for counts, more in zip(record.sent, spent.sent, strict=True):
        total = counts.clone()
        total[new] += more.to(total.dtype)
        sent.append(total)
    return replace(record, sent=tuple(sent))
