"""The environments that `dqn2snn.play.rollout` plays in, each with the episode that runs in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from dqn2snn.play.envs import EnvSource, make_env, spaces_of

if TYPE_CHECKING:
    import gymnasium


@runtime_checkable
class _InHalves(Protocol):
    """An environment whose step comes in two halves, between which others can work."""

    def begin_step(self, action: int) -> None: ...

    def end_step(self) -> tuple[Any, float, bool, bool, dict[str, Any]]: ...


class Slot:
    """An environment and the episode that runs in it."""

    def __init__(self, row: int, env: gymnasium.Env[Any, Any], episode: int, seed: int) -> None:
        self.row = row
        self.env = env
        self.num_actions = spaces_of(env).num_actions
        self.begin(episode, seed)

    def begin(self, episode: int, seed: int) -> None:
        """Start an episode, with an exploration stream of its own."""
        self.episode = episode
        self.steps = 0
        self.exploration = np.random.default_rng([seed, episode])
        self.observation, _ = self.env.reset(seed=seed + episode)

    def choose(self, greedy: int, epsilon: float) -> int:
        """Take the greedy action, or a random one."""
        # Both numbers are drawn at every step, so that networks which act differently keep the same stream.
        chance, random_action = self.exploration.random(), self.exploration.integers(self.num_actions)
        return int(random_action) if chance < epsilon else greedy

    def start(self, action: int) -> Callable[[], tuple[Any, Any, bool, bool, dict[str, Any]]]:
        """Set the environment going, and return what waits for the outcome."""
        if isinstance(self.env, _InHalves):
            self.env.begin_step(action)
            return self.env.end_step
        return lambda: self.env.step(action)


def act(
    slots: Sequence[Slot], actions: Sequence[int], max_episode_steps: int | None
) -> list[tuple[float, bool]]:
    """Take one step in every slot, at the same time in those environments that can.

    Args:
        slots: Where episodes run.
        actions: One a slot.
        max_episode_steps: Ends an episode.

    Returns:
        Reward, and whether the episode ended, of each.
    """
    started = [slot.start(action) for slot, action in zip(slots, actions, strict=True)]
    outcomes = []
    for slot, wait in zip(slots, started, strict=True):
        slot.observation, reward, terminated, truncated, _ = wait()
        slot.steps += 1
        outcomes.append((float(reward), terminated or truncated or slot.steps == max_episode_steps))
    return outcomes


@contextmanager
def environments(source: EnvSource, num_envs: int) -> Iterator[Iterator[gymnasium.Env[Any, Any]]]:
    """Supply environments as they are asked for, and close those that were made here.

    Args:
        source: Id, environment, or function that makes environments.
        num_envs: How many, at most.

    Yields:
        The environments.
    """
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
