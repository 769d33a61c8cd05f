"""Observations to calibrate on: what a network sees while it plays, over whole episodes.

Tan et al. (2021) calibrate on at most 15,000 frames of play with epsilon 0.05. Their code keeps the last life
of a game only (every life is an episode to it), so the thresholds see late frames alone; here whole episodes
are played and the observations are taken evenly from all of them.
"""

from __future__ import annotations

import itertools
from contextlib import closing

from torch import Tensor

from dqn2snn._utils.progress import progress_bar
from dqn2snn.errors import ArgumentError
from dqn2snn.play._whole_episodes import FIRST_EPISODE, Rollout, WholeEpisodes
from dqn2snn.play.envs import EnvSource, env_of
from dqn2snn.play.policies import Policy, player_of
from dqn2snn.play.rollout import play

__all__ = ["Rollout", "collect_observations", "collect_rollout"]


def collect_observations(
    policy: Policy,
    num_observations: int,
    *,
    env: EnvSource | None = None,
    seed: int = 0,
    epsilon: float = 0.05,
    min_episodes: int = 8,
    num_envs: int = 8,
    max_episode_steps: int | None = None,
    progress: bool = True,
) -> Tensor:
    """Play and return observations to calibrate on.

    Episodes are played to their end until they are enough and hold so many observations. These are then taken evenly
    from all of them. The result depends on the seed, not on ``num_envs``.

    Args:
        policy: The network that plays, usually the DQN.
        num_observations: Number of observations.
        env: Environment id, one environment, or a function that makes environments; by default that which the network
            names as its `env_id`.
        seed: Determines the episodes. They are none of those that `evaluate_policy` plays with the same seed.
        epsilon: Probability of a random action. Some exploration shows states beside the network's own path.
        min_episodes: Number of episodes that the observations come from, at least.
        num_envs: Number of episodes that run at a time.
        max_episode_steps: Ends an episode, for environments without a time limit.
        progress: Show a progress bar when standard error is a terminal.

    Returns:
        The observations ``[N, *obs_shape]`` on the CPU: uint8 where the environment gives that, since frames take four
        times as much as floats, else float32.

    Example:
        >>> import torch
        >>> collect_observations(torch.nn.Linear(4, 2), 100, env="CartPole-v1").shape
        torch.Size([100, 4])
    """
    return collect_rollout(
        policy,
        num_observations,
        env=env,
        seed=seed,
        epsilon=epsilon,
        min_episodes=min_episodes,
        num_envs=num_envs,
        max_episode_steps=max_episode_steps,
        progress=progress,
    ).observations


def collect_rollout(
    policy: Policy,
    num_observations: int,
    *,
    env: EnvSource | None = None,
    seed: int = 0,
    epsilon: float = 0.05,
    min_episodes: int = 8,
    num_envs: int = 8,
    max_episode_steps: int | None = None,
    progress: bool = True,
) -> Rollout:
    """Play like `collect_observations`, and keep also the Q-values and the episode of each observation.

    Args:
        policy: The network that plays.
        num_observations: Number of observations.
        env: Environment id, one environment, or a function that makes environments; by default that which the network
            names as its `env_id`.
        seed: Determines the episodes.
        epsilon: Probability of a random action.
        min_episodes: Number of episodes that the observations come from, at least.
        num_envs: Number of episodes that run at a time.
        max_episode_steps: Ends an episode, for environments without a time limit.
        progress: Show a progress bar when standard error is a terminal.

    Returns:
        A `Rollout` of ``num_observations`` observations.

    Raises:
        ArgumentError: If ``num_observations`` or ``min_episodes`` is not positive, or there is no environment.

    Example:
        >>> import torch
        >>> rollout = collect_rollout(torch.nn.Linear(4, 2), 100, env="CartPole-v1")
        >>> rollout.q.shape, rollout.episode_ids.shape
        (torch.Size([100, 2]), (100,))
    """
    if num_observations < 1:
        raise ArgumentError(
            f"Expected num_observations >= 1. Found {num_observations}. A few thousand observations are usual."
        )
    if min_episodes < 1:
        raise ArgumentError(
            f"Expected min_episodes >= 1. Found {min_episodes}. More make the states more varied."
        )
    steps = play(
        player_of(policy),
        env_of(env, policy),
        episode_ids=itertools.count(FIRST_EPISODE),
        seed=seed,
        epsilon=epsilon,
        num_envs=num_envs,
        max_episode_steps=max_episode_steps,
    )
    whole = WholeEpisodes(num_observations, min_episodes)
    with (
        closing(steps),
        progress_bar(label="collect", unit="obs", progress=progress) as bar,
    ):
        for step in steps:
            whole.add(step)
            bar.update(len(step.episode_ids))
            if whole.complete:
                break
    return whole.take()
