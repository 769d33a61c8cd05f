"""What all cells of an agent share: the observations to convert with, and the states to be judged on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dqn2snn.io.checkpoints import QNetwork, load_q_network
from dqn2snn.play._whole_episodes import Kept
from dqn2snn.play.collect import collect_observations
from dqn2snn.play.policies import player_of
from dqn2snn.play.rollout import play
from dqn2snn.play.study import FRESH_SEED
from measuring.table.settings import Conditions

__all__ = ["Batch", "HeldOut", "Subject", "held_out", "subject"]

_BATCH = 256


@dataclass(frozen=True)
class Batch:
    """Held-out states that are decided at a time.

    Attributes:
        observations: `[B, *shape]`.
        q: What the DQN says to them, `[B, A]`.
        episodes: Their episodes, `[B]` int64.
        first: Whether its window begins with a state, `[B]` bool.
    """

    observations: Tensor
    q: Tensor
    episodes: Tensor
    first: Tensor


@dataclass(frozen=True)
class HeldOut:
    """Windows of consecutive states from the DQN's play, one of each episode.

    Attributes:
        observations: `[N, *shape]`.
        q: What the DQN says to them, `[N, A]`.
        episodes: The episode of each, `[N]` int64.
        positions: The place of each in its window, from 0, `[N]` int64.
    """

    observations: Tensor
    q: Tensor
    episodes: Tensor
    positions: Tensor

    def batches(self, in_order: bool) -> Iterator[Batch]:
        """All states, each once.

        Args:
            in_order: Whether a batch has the next decision of every episode, as networks that remember need it.

        Yields:
            Batch: A part.
        """
        places = torch.arange(len(self.episodes))
        parts = (
            [places[self.positions == t] for t in range(int(self.positions.max()) + 1)]
            if in_order
            else places.split(_BATCH)
        )
        for part in parts:
            yield Batch(self.observations[part], self.q[part], self.episodes[part], self.positions[part] == 0)


@dataclass(frozen=True, eq=False)
class Subject:
    """An agent with its observations.

    Attributes:
        agent: The shipped agent.
        calibration: What conversions see, `[N, *shape]`.
        held_out: States of other episodes.
    """

    agent: QNetwork
    calibration: Tensor
    held_out: HeldOut


@cache
def subject(name: str, conditions: Conditions) -> Subject:
    """Play for the observations of an agent, once a process."""
    agent = load_q_network(name)
    calibration = collect_observations(
        agent,
        conditions.calibration,
        seed=conditions.seed,
        epsilon=conditions.calibration_epsilon,
        min_episodes=conditions.calibration_episodes,
        progress=False,
    )
    return Subject(agent, calibration, held_out(agent, conditions))


def held_out(agent: QNetwork, conditions: Conditions) -> HeldOut:
    """Windows from episodes that serve nothing else.

    The first episode gives its beginning, the last one its end, and those between the parts between, so that all of an
    episode is there however long it is. What is shorter than a window is taken whole.

    Args:
        agent: Who plays.
        conditions: The same for all that is in one file.

    Returns:
        HeldOut: The states.
    """
    seen: dict[int, list[tuple[Kept, Tensor]]] = defaultdict(list)
    for step in play(
        player_of(agent),
        agent.env_id,
        episode_ids=range(conditions.episodes),
        seed=conditions.seed + FRESH_SEED,
        epsilon=conditions.calibration_epsilon,
        num_envs=conditions.episodes,
    ):
        for row, episode in enumerate(step.episode_ids.tolist()):
            seen[episode].append((Kept(step.observations[row]), step.q[0][row]))
    rows = [
        (episode, position, *state)
        for episode, states in sorted(seen.items())
        for position, state in enumerate(_window(states, episode, conditions))
    ]
    episodes, positions, observations, q = zip(*rows, strict=True)
    return HeldOut(
        observations=torch.from_numpy(np.stack([_as_seen(kept) for kept in observations])),
        q=torch.stack(q),
        episodes=torch.tensor(episodes),
        positions=torch.tensor(positions),
    )


def _window(states: list[Any], episode: int, conditions: Conditions) -> list[Any]:
    spare = max(0, len(states) - conditions.window)
    start = round(spare * episode / (conditions.episodes - 1))
    return states[start : start + conditions.window]


def _as_seen(kept: Kept) -> NDArray[Any]:
    """In the numbers that `collect_observations` gives."""
    observation = kept.restore()
    return observation if observation.dtype == np.uint8 else observation.astype(np.float32)
