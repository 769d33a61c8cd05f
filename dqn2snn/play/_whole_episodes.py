"""Keeping whole episodes of play, and taking observations evenly from them."""

from __future__ import annotations

import zlib
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dqn2snn.play.rollout import Step

FIRST_EPISODE = 2**20
"""Calibration episodes are numbered from here, so that with the same seed no episode is played for both
calibration and evaluation, whose episodes are numbered from 0."""


@dataclass(frozen=True)
class Rollout:
    """Observations from play, in the order of their episodes.

    Attributes:
        observations: ``[N, *obs_shape]``: uint8 where the environment gives that, as Atari does, else float32.
        q: Q-values of the network that played, ``[N, A]``.
        episode_ids: The episode of each observation, int64 ``[N]``: the clusters of a confidence interval.
    """

    observations: Tensor
    q: Tensor
    episode_ids: NDArray[np.int64]


class WholeEpisodes:
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
        """Whether there are enough episodes and observations."""
        return self._size >= self._count and len(self._whole) >= self._min_episodes

    def add(self, step: Step) -> None:
        """Keep a step of all running episodes."""
        for row, episode in enumerate(step.episode_ids.tolist()):
            self._rows[episode].append((Kept(step.observations[row]), step.q[0][row]))
        self._ended.update(step.episode_ids[step.ended].tolist())
        while not self.complete and (episode := FIRST_EPISODE + len(self._whole)) in self._ended:
            self._whole.append(episode)
            self._size += len(self._rows[episode])

    def take(self) -> Rollout:
        """The observations, evenly from the whole episodes."""
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
            episode_ids=np.array([episode for episode, _, _ in chosen], dtype=np.int64),
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
