"""Observations to calibrate on: what a network sees while it plays, over whole episodes.

Tan et al. (2021) calibrate on at most 15,000 frames of play with epsilon 0.05. Their code keeps the last life
of a game only (every life is an episode to it), so the thresholds see late frames alone; here whole episodes
are played and the observations are taken evenly from all of them.
"""

from __future__ import annotations

import itertools
import zlib
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from dqn2snn.errors import ArgumentError
from dqn2snn.play.envs import EnvSource
from dqn2snn.play.players import player_of
from dqn2snn.play.rollout import QFunction, Step, play

__all__ = ["Rollout", "collect_observations", "collect_rollout"]

FIRST_EPISODE = 2**20
"""Calibration episodes are numbered from here, so that with the same seed no episode is played for both
calibration and evaluation, whose episodes are numbered from 0."""


@dataclass(frozen=True)
class Rollout:
    """Observations from play, in the order of their episodes.

    Attributes:
        observations: ``[N, *obs_shape]``: uint8 where the environment gives that, as Atari does, else float32.
        q: Q-values of the network that played, ``[N, A]``.
        episodes: The episode of each observation, int64 ``[N]``: the clusters of a confidence interval.
    """

    observations: Tensor
    q: Tensor
    episodes: NDArray[np.int64]


def collect_observations(
    env: EnvSource,
    q_function: QFunction,
    count: int,
    *,
    seed: int = 0,
    epsilon: float = 0.05,
    min_episodes: int = 8,
    num_envs: int = 8,
    max_steps: int | None = None,
    progress: bool = True,
) -> Tensor:
    """Play and return observations to calibrate on.

    Episodes are played to their end until they are enough and hold ``count`` observations; these are then taken
    evenly from all of them. The result depends on the seed, not on ``num_envs``.

    Args:
        env: Environment id, one environment, or a function that makes environments.
        q_function: The network that plays, usually the DQN.
        count: Number of observations.
        seed: Determines the episodes. They are none of those that `evaluate_policy` plays with the same seed.
        epsilon: Probability of a random action. Some exploration shows states beside the network's own path.
        min_episodes: Number of episodes that the observations come from, at least.
        num_envs: Number of episodes that run at a time.
        max_steps: Ends an episode, for environments without a time limit.
        progress: Show a progress bar when standard error is a terminal.

    Returns:
        The observations ``[count, *obs_shape]`` on the CPU: uint8 where the environment gives that, since frames take
        four times as much as floats, else float32.

    Example:
        >>> q_network = torch.nn.Linear(4, 2)
        >>> collect_observations("CartPole-v1", q_network, 100).shape
        torch.Size([100, 4])
    """
    return collect_rollout(
        env,
        q_function,
        count,
        seed=seed,
        epsilon=epsilon,
        min_episodes=min_episodes,
        num_envs=num_envs,
        max_steps=max_steps,
        progress=progress,
    ).observations


def collect_rollout(
    env: EnvSource,
    q_function: QFunction,
    count: int,
    *,
    seed: int = 0,
    epsilon: float = 0.05,
    min_episodes: int = 8,
    num_envs: int = 8,
    max_steps: int | None = None,
    progress: bool = True,
) -> Rollout:
    """Play like `collect_observations`, and keep also the Q-values and the episode of each observation.

    Args:
        env: Environment id, one environment, or a function that makes environments.
        q_function: The network that plays.
        count: Number of observations.
        seed: Determines the episodes.
        epsilon: Probability of a random action.
        min_episodes: Number of episodes that the observations come from, at least.
        num_envs: Number of episodes that run at a time.
        max_steps: Ends an episode, for environments without a time limit.
        progress: Show a progress bar when standard error is a terminal.

    Returns:
        A `Rollout` of ``count`` observations.

    Raises:
        ArgumentError: If ``count`` or ``min_episodes`` is not positive.

    Example:
        >>> rollout = collect_rollout("CartPole-v1", torch.nn.Linear(4, 2), 100)
        >>> rollout.q.shape, rollout.episodes.shape
        (torch.Size([100, 2]), (100,))
    """
    if count < 1:
        raise ArgumentError(f"Expected count >= 1. Found {count}. A few thousand observations are usual.")
    if min_episodes < 1:
        raise ArgumentError(
            f"Expected min_episodes >= 1. Found {min_episodes}. More make the states more varied."
        )
    steps = play(
        player_of(q_function),
        env,
        episodes=itertools.count(FIRST_EPISODE),
        seed=seed,
        epsilon=epsilon,
        num_envs=num_envs,
        max_steps=max_steps,
    )
    whole = _WholeEpisodes(count, min_episodes)
    with (
        closing(steps),
        tqdm(desc="collect", unit="obs", leave=False, disable=None if progress else True) as bar,
    ):
        for step in steps:
            whole.add(step)
            bar.update(len(step.episodes))
            if whole.complete:
                break
    return whole.take()


class _WholeEpisodes:
    """Collects steps by episode until the first ended episodes are enough and hold enough observations.

    Only an episode before which no other one still runs counts. That keeps short episodes from being
    preferred, and makes the result the same however many episodes run at a time. Frames are kept compressed: whole
    games of Atari are gigabytes, of which a few thousand frames are taken in the end.
    """

    def __init__(self, count: int, min_episodes: int) -> None:
        self._count, self._min_episodes = count, min_episodes
        self._rows: dict[int, list[tuple[Kept, Tensor]]] = defaultdict(list)
        self._ended: set[int] = set()
        self._whole: list[int] = []
        self._size = 0

    @property
    def complete(self) -> bool:
        return self._size >= self._count and len(self._whole) >= self._min_episodes

    def add(self, step: Step) -> None:
        for row, episode in enumerate(step.episodes.tolist()):
            self._rows[episode].append((Kept(step.observations[row]), step.q[0][row]))
        self._ended.update(step.episodes[step.done].tolist())
        while not self.complete and (episode := FIRST_EPISODE + len(self._whole)) in self._ended:
            self._whole.append(episode)
            self._size += len(self._rows[episode])

    def take(self) -> Rollout:
        rows = [(episode, *row) for episode in self._whole for row in self._rows[episode]]
        chosen = [rows[index] for index in np.linspace(0, len(rows) - 1, self._count).round().astype(int)]
        first = chosen[0][1].restore()
        observations = np.empty(
            (len(chosen), *first.shape), first.dtype if first.dtype == np.uint8 else np.float32
        )
        for index, (_, kept, _) in enumerate(chosen):
            observations[index] = kept.restore()
        return Rollout(
            observations=torch.from_numpy(observations),
            q=torch.stack([q for _, _, q in chosen]),
            episodes=np.array([episode for episode, _, _ in chosen], dtype=np.int64),
        )


class Kept:
    """One observation, compressed if it is of bytes: an Atari frame takes a fifteenth of its room then."""

    def __init__(self, observation: NDArray[Any]) -> None:
        self._shape = observation.shape
        self._content = (
            zlib.compress(observation.tobytes(), 1) if observation.dtype == np.uint8 else observation
        )

    def restore(self) -> NDArray[Any]:
        """Give the observation back as it was."""
        if isinstance(self._content, bytes):
            return np.frombuffer(zlib.decompress(self._content), np.uint8).reshape(self._shape)
        return self._content
