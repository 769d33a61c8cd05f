"""The score of a network that plays."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from dqn2snn.errors import ArgumentError
from dqn2snn.metrics.confidence import Interval, mean_interval
from dqn2snn.play.envs import EnvSource
from dqn2snn.play.players import player_of
from dqn2snn.play.rollout import QFunction, QFunctions, Step, play

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["Evaluation", "Protocol", "evaluate_policy", "plain"]


@dataclass(frozen=True)
class Evaluation:
    """How a network scored.

    Attributes:
        returns: Undiscounted return of each episode, in the order of the episodes.
        lengths: Steps of each episode.
        interval: Mean return and its 95 % interval.
        seed: Episode ``i`` started with ``env.reset(seed=seed + i)``.
        epsilon: Probability of a random action.
        max_steps: Limit of an episode beside the environment's own, if any.
    """

    returns: tuple[float, ...]
    lengths: tuple[int, ...]
    interval: Interval
    seed: int
    epsilon: float
    max_steps: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain numbers, lists and dictionaries that `json.dumps` takes."""
        return plain(self)


def evaluate_policy(
    q_function: QFunction,
    env: EnvSource,
    *,
    episodes: int = 50,
    seed: int = 0,
    epsilon: float = 0.0,
    num_envs: int = 16,
    max_steps: int | None = None,
    progress: bool = True,
) -> Evaluation:
    """Play whole episodes and score them.

    Args:
        q_function: The network that plays.
        env: Environment id, one environment, or a function that makes environments.
        episodes: Number of episodes.
        seed: Determines the episodes; runs with seeds at least ``episodes`` apart share none.
        epsilon: Probability of a random action; the paper uses 0.05.
        num_envs: Number of episodes that run at a time. The scores do not depend on it.
        max_steps: Ends an episode, beside the environment's own limit.
        progress: Show a progress bar when standard error is a terminal.

    Returns:
        The scores.

    Example:
        >>> push_to_the_fall = lambda obs: (obs[:, 2:3] + obs[:, 3:4]) * obs.new_tensor([-1.0, 1.0])
        >>> evaluate_policy(push_to_the_fall, "CartPole-v1", episodes=3, max_steps=100).returns
        (100.0, 100.0, 100.0)
    """
    protocol = Protocol(env, episodes, seed, epsilon, num_envs, max_steps, progress)
    return protocol.run(player_of(q_function), "evaluate")


@dataclass(frozen=True)
class Protocol:
    """The conditions under which networks play."""

    env: EnvSource
    episodes: int
    seed: int
    epsilon: float
    num_envs: int
    max_steps: int | None
    progress: bool

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise ArgumentError(f"Expected episodes >= 1. Found {self.episodes}. The paper plays 50.")

    def run(
        self,
        q_functions: QFunctions,
        label: str,
        watch: Callable[[Step], None] = lambda step: None,
    ) -> Evaluation:
        """Play with the first of the Q-functions and show every step to `watch`."""
        returns, lengths = np.zeros(self.episodes), np.zeros(self.episodes, dtype=np.int64)
        steps = play(
            q_functions,
            self.env,
            episodes=range(self.episodes),
            seed=self.seed,
            epsilon=self.epsilon,
            num_envs=self.num_envs,
            max_steps=self.max_steps,
        )
        disable = None if self.progress else True
        with (
            closing(steps),
            tqdm(total=self.episodes, desc=label, unit="ep", leave=False, disable=disable) as bar,
        ):
            for step in steps:
                returns[step.episodes] += step.rewards
                lengths[step.episodes] += 1
                watch(step)
                bar.update(int(step.done.sum()))
        return Evaluation(
            returns=tuple(returns.tolist()),
            lengths=tuple(lengths.tolist()),
            interval=mean_interval(returns.tolist()),
            seed=self.seed,
            epsilon=self.epsilon,
            max_steps=self.max_steps,
        )


def plain(result: DataclassInstance) -> dict[str, Any]:
    """Turn a result into what `json.dumps` takes, without NaN or infinity, which JSON does not have."""
    return {key: _plain(value) for key, value in dataclasses.asdict(result).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    # The interval of a single episode has no end.
    return None if isinstance(value, float) and not math.isfinite(value) else value
