"""Playing: episodes by their own seeds, several at a time.

Episode ``i`` of a run is ``env.reset(seed=seed + i)`` with an exploration stream of its own. Its course
depends on the network and on those two numbers, not on which episodes run beside it, so that two networks
can be compared episode by episode.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dqn2snn.errors import ArgumentError, EnvironmentMismatchError
from dqn2snn.play._slots import Slot, act, environments
from dqn2snn.play.envs import EnvSource
from dqn2snn.play.policies import Places, Player

__all__ = ["play"]


@dataclass(frozen=True)
class Step:
    """One step of all running episodes.

    Attributes:
        episode_ids: Episode of each row, int64 ``[B]``.
        observations: What was seen, in the environment's dtype, ``[B, *obs_shape]``.
        q: What each network said to it, ``[B, A]`` each. The first one acts.
        actions: The actions taken, exploration included, int64 ``[B]``.
        rewards: What the environment gave for them, float64 ``[B]``.
        ended: Whether the episode ended with this step, bool ``[B]``.
    """

    episode_ids: NDArray[np.int64]
    observations: NDArray[Any]
    q: tuple[Tensor, ...]
    actions: NDArray[np.int64]
    rewards: NDArray[np.float64]
    ended: NDArray[np.bool_]


def play(
    player: Player,
    env: EnvSource,
    *,
    episode_ids: Iterable[int],
    seed: int = 0,
    epsilon: float = 0.0,
    num_envs: int = 8,
    max_episode_steps: int | None = None,
) -> Generator[Step, None, None]:
    """Play episodes epsilon-greedily and yield, step by step, what was seen and done.

    Args:
        player: Maps observations, float32 ``[B, *obs_shape]``, and their places to the Q-values ``[B, A]`` of
            one or more networks: the first acts, the others watch. Called once a step in inference mode.
        env: What to play in. A single environment is one slot, whatever ``num_envs`` says, and stays open.
        episode_ids: Numbers of the episodes to play; a slot takes the next one when its own has ended.
        seed: Episode ``i`` starts by ``env.reset(seed=seed + i)``, explores by ``default_rng([seed, i])``.
        epsilon: Probability of a uniformly random action.
        num_envs: Number of episodes that run at a time.
        max_episode_steps: Ends an episode, beside the environment's own limit.

    Yields:
        One `Step` of all running episodes.

    Example:
        >>> always_left = lambda obs, places: (torch.tensor([[1.0, 0.0]]).expand(len(obs), 2),)
        >>> steps = play(always_left, "CartPole-v1", episode_ids=range(3), num_envs=2)
        >>> sum(step.ended.sum().item() for step in steps)
        3
    """
    _check_arguments(seed, epsilon, num_envs, max_episode_steps)
    queue = iter(episode_ids)
    with environments(env, num_envs) as supply:
        pairs = zip(supply, queue, strict=False)
        slots = [Slot(row, *pair, seed) for row, pair in enumerate(pairs)]
        while slots:
            step = _step(slots, player, epsilon, max_episode_steps)
            yield step
            slots = [
                slot
                for slot, ended in zip(slots, step.ended, strict=True)
                if not ended or _begin_next(slot, queue, seed)
            ]


def _step(
    slots: list[Slot],
    player: Player,
    epsilon: float,
    max_episode_steps: int | None,
) -> Step:
    observations = np.stack([slot.observation for slot in slots])
    with torch.inference_mode():
        q = _values(player, torch.as_tensor(observations, dtype=torch.float32), slots)
    for values in q:
        _check_q(values, slots)
    actions = [slot.choose(row, epsilon) for slot, row in zip(slots, q[0].argmax(1).tolist(), strict=True)]
    outcomes = act(slots, actions, max_episode_steps)
    return Step(
        episode_ids=np.array([slot.episode for slot in slots], dtype=np.int64),
        observations=observations,
        q=q,
        actions=np.array(actions, dtype=np.int64),
        rewards=np.array([reward for reward, _ in outcomes], dtype=np.float64),
        ended=np.array([ended for _, ended in outcomes], dtype=np.bool_),
    )


def _values(player: Player, observations: Tensor, slots: list[Slot]) -> tuple[Tensor, ...]:
    places = Places(
        rows=torch.tensor([slot.row for slot in slots]),
        episode_start=torch.tensor([slot.steps == 0 for slot in slots]),
    )
    try:
        return player(observations, places)
    except RuntimeError as error:  # torch's, of shapes above all
        raise EnvironmentMismatchError(
            f"Expected a network that takes observations of shape {tuple(observations.shape)} from {slots[0].env}. "
            f"Found that it fails: {str(error).splitlines()[0]}. Use a network that was trained in this environment."
        ) from error


def _begin_next(slot: Slot, queue: Iterator[int], seed: int) -> bool:
    episode = next(queue, None)
    if episode is not None:
        slot.begin(episode, seed)
    return episode is not None


def _check_q(q: Tensor, slots: list[Slot]) -> None:
    expected = (len(slots), slots[0].num_actions)
    if tuple(q.shape) != expected:
        raise EnvironmentMismatchError(
            f"Expected Q-values of shape {expected}, one row an episode and one column an action of "
            f"{slots[0].env}. Found shape {tuple(q.shape)}. "
            "Use a network that was trained in this environment."
        )


def _check_arguments(seed: int, epsilon: float, num_envs: int, max_episode_steps: int | None) -> None:
    if seed < 0:
        raise ArgumentError(f"Expected seed >= 0. Found {seed}. Pass a non-negative integer.")
    if not 0 <= epsilon <= 1:
        raise ArgumentError(f"Expected epsilon in [0, 1], a probability. Found {epsilon}. Atari uses 0.05.")
    if num_envs < 1:
        raise ArgumentError(
            f"Expected num_envs >= 1. Found {num_envs}. Pass 1 to play one episode at a time."
        )
    if max_episode_steps is not None and max_episode_steps < 1:
        raise ArgumentError(
            f"Expected max_episode_steps >= 1 or None. Found {max_episode_steps}. Pass None for no limit."
        )
