"""Playing: episodes by their own seeds, several at a time.

Episode ``i`` of a run is ``env.reset(seed=seed + i)`` with an exploration stream of its own. Its course
depends on the Q-function and on those two numbers, not on which episodes run beside it, so that two networks
can be compared episode by episode.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dqn2snn.envs import EnvSource, make_env, spaces_of
from dqn2snn.errors import ArgumentError, EnvironmentMismatchError

if TYPE_CHECKING:
    import gymnasium

__all__ = ["Places", "QFunction", "QFunctions", "Step", "device_of", "play"]

QFunction: TypeAlias = Callable[[Tensor], Tensor]
"""Anything that maps observations ``[B, *obs_shape]`` to Q-values ``[B, A]``: a DQN, a converted network."""


@dataclass(frozen=True)
class Places:
    """Where observations come from, for networks that remember.

    Attributes:
        rows: Number of the environment of each observation, ``[B]`` int64.
        first: Whether an episode begins with it, ``[B]`` bool.
    """

    rows: Tensor
    first: Tensor


QFunctions: TypeAlias = Callable[[Tensor, Places], tuple[Tensor, ...]]
"""Q-values ``[B, A]`` of one or more networks for observations ``[B, *obs_shape]`` of those places."""


@dataclass(frozen=True)
class Step:
    """One step of all running episodes.

    Attributes:
        episodes: Episode of each row, int64 ``[B]``.
        observations: What was seen, in the environment's dtype, ``[B, *obs_shape]``.
        q: What each Q-function said to it, ``[B, A]`` each. The first one acts.
        actions: The actions taken, exploration included, int64 ``[B]``.
        rewards: What the environment gave for them, float64 ``[B]``.
        done: Whether the episode ended with this step, bool ``[B]``.
    """

    episodes: NDArray[np.int64]
    observations: NDArray[Any]
    q: tuple[Tensor, ...]
    actions: NDArray[np.int64]
    rewards: NDArray[np.float64]
    done: NDArray[np.bool_]


class _Slot:
    """An environment and the episode that runs in it."""

    def __init__(self, row: int, env: gymnasium.Env[Any, Any], episode: int, seed: int) -> None:
        self.row = row
        self.env = env
        self.num_actions = spaces_of(env).num_actions
        self.begin(episode, seed)

    def begin(self, episode: int, seed: int) -> None:
        self.episode = episode
        self.steps = 0
        self.exploration = np.random.default_rng([seed, episode])
        self.observation, _ = self.env.reset(seed=seed + episode)

    def choose(self, greedy: int, epsilon: float) -> int:
        # Both numbers are drawn at every step, so that networks which act differently keep the same stream.
        chance, random_action = self.exploration.random(), self.exploration.integers(self.num_actions)
        return int(random_action) if chance < epsilon else greedy

    def act(self, action: int, max_steps: int | None) -> tuple[float, bool]:
        self.observation, reward, terminated, truncated, _ = self.env.step(action)
        self.steps += 1
        return float(reward), terminated or truncated or self.steps == max_steps


def play(
    q_functions: QFunctions,
    env: EnvSource,
    *,
    episodes: Iterable[int],
    seed: int = 0,
    epsilon: float = 0.0,
    num_envs: int = 8,
    max_steps: int | None = None,
) -> Generator[Step, None, None]:
    """Play episodes epsilon-greedily and tell, step by step, what was seen, valued and done.

    Args:
        q_functions: Maps observations, float32 ``[B, *obs_shape]``, and their places to the Q-values ``[B, A]`` of
            one or more networks: the first acts, the others watch. Called once a step in inference mode.
        env: What to play in. A single environment is one slot, whatever ``num_envs`` says, and stays open.
        episodes: Numbers of the episodes to play; a slot takes the next one when its own has ended.
        seed: Episode ``i`` starts by ``env.reset(seed=seed + i)``, explores by ``default_rng([seed, i])``.
        epsilon: Probability of a uniformly random action.
        num_envs: Number of episodes that run at a time.
        max_steps: Ends an episode, beside the environment's own limit.

    Yields:
        One `Step` of all running episodes.

    Example:
        >>> always_left = lambda obs, places: (torch.tensor([[1.0, 0.0]]).expand(len(obs), 2),)
        >>> steps = play(always_left, "CartPole-v1", episodes=range(3), num_envs=2)
        >>> sum(step.done.sum().item() for step in steps)
        3
    """
    _check_arguments(seed, epsilon, num_envs, max_steps)
    queue = iter(episodes)
    with _environments(env, num_envs) as environments:
        pairs = zip(environments, queue, strict=False)
        slots = [_Slot(row, *pair, seed) for row, pair in enumerate(pairs)]
        while slots:
            step = _step(slots, q_functions, epsilon, max_steps)
            yield step
            slots = [
                slot
                for slot, done in zip(slots, step.done, strict=True)
                if not done or _begin_next(slot, queue, seed)
            ]


def device_of(q_function: QFunction) -> torch.device:
    """Say where a Q-function wants its observations: where its first parameter or buffer is, else on the CPU.

    Args:
        q_function: Any Q-function.

    Returns:
        The device.

    Example:
        >>> device_of(nn.Linear(4, 2))
        device(type='cpu')
    """
    if isinstance(q_function, nn.Module):
        for tensor in itertools.chain(q_function.parameters(), q_function.buffers()):
            return tensor.device
    return torch.device("cpu")


def _step(
    slots: list[_Slot],
    q_functions: QFunctions,
    epsilon: float,
    max_steps: int | None,
) -> Step:
    observations = np.stack([slot.observation for slot in slots])
    with torch.inference_mode():
        q = _values(q_functions, torch.as_tensor(observations, dtype=torch.float32), slots)
    for values in q:
        _check_q(values, slots)
    actions = [slot.choose(row, epsilon) for slot, row in zip(slots, q[0].argmax(1).tolist(), strict=True)]
    outcomes = [slot.act(action, max_steps) for slot, action in zip(slots, actions, strict=True)]
    return Step(
        episodes=np.array([slot.episode for slot in slots], dtype=np.int64),
        observations=observations,
        q=q,
        actions=np.array(actions, dtype=np.int64),
        rewards=np.array([reward for reward, _ in outcomes], dtype=np.float64),
        done=np.array([done for _, done in outcomes], dtype=np.bool_),
    )


def _values(q_functions: QFunctions, observations: Tensor, slots: list[_Slot]) -> tuple[Tensor, ...]:
    places = Places(
        rows=torch.tensor([slot.row for slot in slots]),
        first=torch.tensor([slot.steps == 0 for slot in slots]),
    )
    try:
        return q_functions(observations, places)
    except RuntimeError as error:  # torch's, of shapes above all
        raise EnvironmentMismatchError(
            f"Expected a network that takes observations of shape {tuple(observations.shape)} from {slots[0].env}. "
            f"Found that it fails: {str(error).splitlines()[0]}. Use a network that was trained in this environment."
        ) from error


def _begin_next(slot: _Slot, queue: Iterator[int], seed: int) -> bool:
    episode = next(queue, None)
    if episode is not None:
        slot.begin(episode, seed)
    return episode is not None


@contextmanager
def _environments(source: EnvSource, num_envs: int) -> Iterator[Iterator[gymnasium.Env[Any, Any]]]:
    """Supply environments as they are asked for, and close those that were made here."""
    made: list[gymnasium.Env[Any, Any]] = []

    def supply(make: Callable[[], gymnasium.Env[Any, Any]]) -> Iterator[gymnasium.Env[Any, Any]]:
        for _ in range(num_envs):
            made.append(make())
            yield made[-1]

    try:
        if isinstance(source, str):
            yield supply(lambda: make_env(source))
        elif callable(source):
            yield supply(source)
        else:
            yield iter([source])
    finally:
        for env in made:
            env.close()


def _check_q(q: Tensor, slots: list[_Slot]) -> None:
    expected = (len(slots), slots[0].num_actions)
    if tuple(q.shape) != expected:
        raise EnvironmentMismatchError(
            f"Expected Q-values of shape {expected}, one row an episode and one column an action of "
            f"{slots[0].env}. Found shape {tuple(q.shape)}. "
            "Use a network that was trained in this environment."
        )


def _check_arguments(seed: int, epsilon: float, num_envs: int, max_steps: int | None) -> None:
    if seed < 0:
        raise ArgumentError(f"Expected seed >= 0. Found {seed}. Pass a non-negative integer.")
    if not 0 <= epsilon <= 1:
        raise ArgumentError(f"Expected epsilon in [0, 1], a probability. Found {epsilon}. Atari uses 0.05.")
    if num_envs < 1:
        raise ArgumentError(
            f"Expected num_envs >= 1. Found {num_envs}. Pass 1 to play one episode at a time."
        )
    if max_steps is not None and max_steps < 1:
        raise ArgumentError(f"Expected max_steps >= 1 or None. Found {max_steps}. Pass None for no limit.")
