"""The score of a network that plays."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dqn2snn._utils.progress import progress_bar
from dqn2snn.errors import ArgumentError
from dqn2snn.metrics.confidence import Interval, mean_interval
from dqn2snn.play.envs import EnvSource, env_of
from dqn2snn.play.policies import Player, Policy, player_of
from dqn2snn.play.rollout import Step, play

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
        max_episode_steps: Limit of an episode beside the environment's own, if any.
    """

    returns: tuple[float, ...]
    lengths: tuple[int, ...]
    interval: Interval
    seed: int
    epsilon: float
    max_episode_steps: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain numbers, lists and dictionaries that `json.dumps` takes."""
        return plain(self)


def evaluate_policy(
    policy: Policy,
    env: EnvSource | None = None,
    *,
    episodes: int = 50,
    seed: int = 0,
    epsilon: float = 0.0,
    num_envs: int = 16,
    max_episode_steps: int | None = None,
    progress: bool = True,
) -> Evaluation:
    """Play whole episodes and score them.

    Args:
        policy: The network that plays: a DQN or a spiking network.
        env: Environment id, one environment, or a function that makes environments; by default that which the network
            names as its `env_id`.
        episodes: Number of episodes.
        seed: Determines the episodes; runs with seeds at least ``episodes`` apart share none.
        epsilon: Probability of a random action; the paper uses 0.05.
        num_envs: Number of episodes that run at a time. The scores do not depend on it.
        max_episode_steps: Ends an episode, beside the environment's own limit.
        progress: Show a progress bar when standard error is a terminal.

    Returns:
        The scores.

    Example:
        >>> push_to_the_fall = lambda obs: (obs[:, 2:3] + obs[:, 3:4]) * obs.new_tensor([-1.0, 1.0])
        >>> evaluate_policy(push_to_the_fall, "CartPole-v1", episodes=3, max_episode_steps=100).returns
        (100.0, 100.0, 100.0)
    """
    protocol = Protocol(env_of(env, policy), episodes, seed, epsilon, num_envs, max_episode_steps, progress)
    return protocol.run(player_of(policy), "evaluate")


@dataclass(frozen=True)
class Protocol:
    """The conditions under which networks play."""

    env: EnvSource
    episodes: int
    seed: int
    epsilon: float
    num_envs: int
    max_episode_steps: int | None
    progress: bool

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise ArgumentError(f"Expected episodes >= 1. Found {self.episodes}. The paper plays 50.")

    def run(
        self,
        player: Player,
        label: str,
        watch: Callable[[Step], None] = lambda step: None,
    ) -> Evaluation:
        """Play with the first of the networks and show every step to `watch`."""
        returns, lengths = np.zeros(self.episodes), np.zeros(self.episodes, dtype=np.int64)
        steps = play(
            player,
            self.env,
            episode_ids=range(self.episodes),
            seed=self.seed,
            epsilon=self.epsilon,
            num_envs=self.num_envs,
            max_episode_steps=self.max_episode_steps,
        )
        with (
            closing(steps),
            progress_bar(total=self.episodes, label=label, unit="ep", progress=self.progress) as bar,
        ):
            for step in steps:
                returns[step.episode_ids] += step.rewards
                lengths[step.episode_ids] += 1
                watch(step)
                bar.update(int(step.ended.sum()))
        return Evaluation(
            returns=tuple(returns.tolist()),
            lengths=tuple(lengths.tolist()),
            interval=mean_interval(returns.tolist()),
            seed=self.seed,
            epsilon=self.epsilon,
            max_episode_steps=self.max_episode_steps,
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
