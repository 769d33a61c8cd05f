"""What was played, with each frame kept once, and n-step samples of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from atari.priorities import SumTree
from dqn2snn.errors import ArgumentError

__all__ = ["Batch", "Replay"]

_TINY = 1e-10  # so that nothing is lost for good
_CORRECTION = 0.5  # of what priorities favour: beta of Schaul et al. (2016), halfway


class Batch(NamedTuple):
    """Transitions over n steps, a row each.

    The target of a row is `returns` + `discounts` * (value of `next_observations`).
    """

    observations: Tensor  # uint8 [B, 4, height, width]
    actions: Tensor  # int64 [B]
    returns: Tensor  # float32 [B], the sum over k < n of gamma^k r_k, up to a terminal
    next_observations: Tensor  # uint8 [B, 4, height, width]; of no meaning where the discount is 0
    discounts: Tensor  # float32 [B], gamma^n, or 0 after a terminal
    weights: Tensor  # float32 [B], of the losses: at most 1, lower for what is drawn more often
    places: NDArray[np.int64]  # [B], for `Replay.prioritize`


class Replay:
    """A ring over time of N games side by side.

    An observation is the last frames of a game, so stacks would hold each frame four times; the ring holds it
    once, and how many frames had gone before it in its game. Frames before the first are zero, as in ale-py.

    Transitions can be drawn by priority (Schaul et al., 2016, arXiv 1511.05952): one with loss L has

        p_i = L_i^alpha,   P(i) = p_i / sum_j p_j,   w_i = (P(i) / min_j P(j))^-beta,

    with beta = 1/2 and j over the batch. Before its loss is known it has the highest priority of all so far.

    Args:
        slots: Steps of each game that the ring holds.
        observation_shape: (frames in an observation, height, width).
        num_envs: Number of games N.
        n_step: Rewards in a return.
        gamma: The discount of one step.
        priority_exponent: alpha; with 0, each transition is as likely as any other.

    Example:
        >>> replay = Replay(slots=8, observation_shape=(4, 2, 2), num_envs=1, n_step=2, gamma=0.5)
        >>> no, yes = np.array([False]), np.array([True])
        >>> for t in range(3):
        ...     frames = np.full((1, 4, 2, 2), t, np.uint8)
        ...     replay.add(frames, np.array([t]), np.array([1.0]), terminal=no, over=no)
        >>> batch = replay.sample(1, np.random.default_rng(0))
        >>> batch.returns, batch.discounts, batch.next_observations[0, :, 0, 0]
        (tensor([1.5000]), tensor([0.2500]), tensor([0, 0, 1, 2], dtype=torch.uint8))
    """

    def __init__(
        self,
        slots: int,
        observation_shape: tuple[int, int, int],
        num_envs: int,
        n_step: int,
        gamma: float,
        priority_exponent: float = 0.0,
    ) -> None:
        self.history, height, width = observation_shape
        self.slots, self.num_envs, self.n_step, self.gamma = slots, num_envs, n_step, gamma
        self.priority_exponent = priority_exponent
        self.added = 0  # steps of each game, those that were overwritten as well
        self._frames = np.zeros((slots * num_envs, height, width), np.uint8)
        self._before = np.zeros((slots, num_envs), np.int64)  # frames of the game before this one, to count
        self._actions = np.zeros((slots, num_envs), np.int64)
        self._rewards = np.zeros((slots, num_envs), np.float32)
        self._terminal = np.zeros((slots, num_envs), bool)
        self._over = np.zeros((slots, num_envs), bool)
        self._next_before: NDArray[np.int64] = np.zeros(num_envs, np.int64)
        self._priorities, self._highest = SumTree(slots * num_envs), 1.0

    def __len__(self) -> int:
        """Count the steps, of all games, that the ring holds."""
        return min(self.added, self.slots) * self.num_envs

    def add(
        self,
        observations: NDArray[np.uint8],
        actions: NDArray[np.int64],
        rewards: NDArray[np.floating],
        *,
        terminal: NDArray[np.bool_],
        over: NDArray[np.bool_],
    ) -> None:
        """Add one step of every game.

        Args:
            observations: What was seen, ``[N, 4, height, width]``; the last frame is the new one.
            actions: What was done then, ``[N]``.
            rewards: What that gave, ``[N]``.
            terminal: Whether no reward after this one counts, ``[N]``.
            over: Whether the game began again, ``[N]``; without `terminal`, it was cut off by a limit of time.
        """
        slot = self.added % self.slots
        self._frames[slot * self.num_envs : (slot + 1) * self.num_envs] = observations[:, -1]
        self._before[slot] = self._next_before
        self._actions[slot], self._rewards[slot] = actions, rewards
        self._terminal[slot], self._over[slot] = terminal, over
        self._next_before = np.where(over, 0, np.minimum(self._next_before + 1, self.history - 1))
        self.added += 1
        self._admit(self.added - self.n_step - 1)

    def _admit(self, newest: int) -> None:
        """Give a priority to the transitions whose n steps are whole now, and to those that lost a frame none."""
        games = np.arange(self.num_envs)
        oldest = self.added - self.slots
        whole = oldest + self.history - 1 if oldest > 0 else 0  # nothing came before the first step ever
        if oldest > 0:
            lost = np.arange(oldest - 1, whole)[:, None]
            self._priorities.set(self._places(lost, games).ravel(), 0.0)
        if newest >= whole:
            priorities = np.where(self._cut(newest), 0.0, self._highest)
            self._priorities.set(self._places(newest, games), priorities)

    def _places(self, times: NDArray[np.int64] | int, games: NDArray[np.int64]) -> NDArray[np.int64]:
        return times % self.slots * self.num_envs + games

    def sample(self, count: int, rng: np.random.Generator) -> Batch:
        """Draw transitions in proportion to their priorities, with replacement.

        Args:
            count: Number of transitions B.
            rng: Source of randomness.

        Returns:
            The batch. Its windows of n steps end before the newest step, and none crosses a cut.

        Raises:
            ArgumentError: If no window fits into what was played.
        """
        if not self._priorities.total:
            raise ArgumentError(
                f"Expected a replay with windows of {self.n_step} steps that no limit of time cuts. "
                f"Found none in {len(self)} steps. Play on before you sample."
            )
        places = self._priorities.draw(count, rng)
        slots, games = np.divmod(places, self.num_envs)
        window = slots[:, None] + np.arange(self.n_step)
        at = (window % self.slots, games[:, None])
        ended = np.logical_or.accumulate(self._terminal[at], axis=1)
        counts = np.concatenate([np.ones((count, 1), bool), ~ended[:, :-1]], axis=1)
        powers = self.gamma ** np.arange(self.n_step)
        returns = (self._rewards[at] * counts * powers).sum(1)
        discounts = np.where(ended[:, -1], 0.0, self.gamma**self.n_step)
        return Batch(
            torch.from_numpy(self._stacks(slots, games)),
            torch.from_numpy(self._actions[slots, games]),
            torch.from_numpy(returns.astype(np.float32)),
            torch.from_numpy(self._stacks((slots + self.n_step) % self.slots, games)),
            torch.from_numpy(discounts.astype(np.float32)),
            torch.from_numpy(self._weights(places)),
            places,
        )

    def _weights(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        priorities = self._priorities.weights(places)
        return np.asarray((priorities / priorities.min()) ** -_CORRECTION, np.float32)

    def prioritize(self, places: NDArray[np.int64], losses: NDArray[np.floating]) -> None:
        """Change priorities to what the losses say.

        Args:
            places: Of the transitions, from the newest batch, ``[B]``.
            losses: Of the same, not negative, ``[B]``.
        """
        priorities = (losses.astype(np.float64) + _TINY) ** self.priority_exponent
        self._highest = max(self._highest, float(priorities.max()))
        self._priorities.set(places, priorities)

    def _cut(self, time: int) -> NDArray[np.bool_]:
        """Which games were cut off within n steps, so that nobody knows what would have come."""
        window = (time + np.arange(self.n_step)) % self.slots
        ended = np.logical_or.accumulate(self._terminal[window], axis=0)
        return np.asarray((self._over[window] & ~ended).any(0))

    def _stacks(self, slots: NDArray[np.int64], games: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Observations ``[B, 4, height, width]``."""
        back = np.arange(self.history)[::-1]
        stacks = self._frames.take(self._places(slots[:, None] - back, games[:, None]), axis=0)
        stacks[back > self._before[slots, games][:, None]] = 0
        return stacks
