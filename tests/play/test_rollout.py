"""Playing: the same episodes however many run at a time, and the same luck for whoever plays them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dqn2snn.errors import ArgumentError, EnvironmentMismatchError
from dqn2snn.play.envs import make_env
from dqn2snn.play.policies import Places, device_of
from dqn2snn.play.rollout import Step, play


def network(num_inputs: int, num_actions: int, seed: int = 0) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    layers = nn.Sequential(nn.Flatten(), nn.Linear(num_inputs, 32), nn.ReLU(), nn.Linear(32, num_actions))
    for parameter in layers.parameters():
        nn.init.normal_(parameter, std=0.5, generator=generator)
    return layers


def by_episode(steps: Iterable[Step]) -> dict[int, list[tuple[bytes, int, float]]]:
    episodes = defaultdict(list)
    for step in steps:
        rows = zip(step.episode_ids, step.observations, step.actions, step.rewards, strict=True)
        for episode, observation, action, reward in rows:
            episodes[int(episode)].append((observation.tobytes(), int(action), float(reward)))
    return dict(episodes)


@pytest.mark.parametrize(
    ("env_id", "num_inputs", "num_actions"),
    [("CartPole-v1", 4, 2), ("LunarLander-v3", 8, 4), ("MinAtar/Asterix-v0", 400, 6)],
)
def test_episodes_do_not_depend_on_how_many_run_at_a_time(
    env_id: str, num_inputs: int, num_actions: int
) -> None:
    q_network = network(num_inputs, num_actions)
    one_by_one, together = (
        by_episode(
            play(
                lambda obs, places: (q_network(obs),),
                env_id,
                episode_ids=range(10),
                epsilon=0.3,
                num_envs=num_envs,
            )
        )
        for num_envs in (1, 8)
    )
    assert sorted(one_by_one) == list(range(10))
    assert one_by_one == together


def test_the_same_luck_for_two_networks() -> None:
    def lucky_actions(action: int) -> list[list[int]]:
        values = torch.eye(6)[action]
        steps = play(
            lambda obs, places: (values.expand(len(obs), 6),),
            "MinAtar/Breakout-v0",
            episode_ids=range(4),
            epsilon=0.5,
            max_episode_steps=6,
        )
        return [[a for _, a, _ in episode] for episode in by_episode(steps).values()]

    for first, second in zip(lucky_actions(1), lucky_actions(3), strict=True):
        explored = [pair for pair in zip(first, second, strict=False) if pair != (1, 3)]
        assert explored  # half of the moves are random, and they are the same random moves
        assert all(a == b for a, b in explored)


def test_the_first_q_function_acts_and_all_are_told() -> None:
    first, second = network(4, 2, seed=1), network(4, 2, seed=2)
    for step in play(lambda obs, places: (first(obs), second(obs)), "CartPole-v1", episode_ids=range(3)):
        observations = torch.from_numpy(step.observations)
        torch.testing.assert_close(step.q[0], first(observations).detach())
        torch.testing.assert_close(step.q[1], second(observations).detach())
        np.testing.assert_array_equal(step.actions, step.q[0].argmax(1).numpy())


def test_networks_see_float32_whatever_the_environment_gives() -> None:
    def q_function(observations: Tensor, places: Places) -> tuple[Tensor, ...]:
        assert observations.dtype == torch.float32
        return (torch.zeros(len(observations), 2),)

    def bytes_env() -> gymnasium.Env[np.ndarray, int]:
        space = gymnasium.spaces.Box(0, 255, (4,), np.uint8)
        as_bytes = lambda observation: (128 + 25 * observation).astype(np.uint8)  # noqa: E731
        return gymnasium.wrappers.TransformObservation(make_env("CartPole-v1"), as_bytes, space)

    for step in play(q_function, bytes_env, episode_ids=range(2)):
        assert step.observations.dtype == np.uint8


def test_max_episode_steps_ends_episodes() -> None:
    steps = list(
        play(
            lambda obs, places: (torch.zeros(len(obs), 4),),
            "LunarLander-v3",
            episode_ids=[3, 5],
            max_episode_steps=7,
        )
    )
    assert {episode: len(rows) for episode, rows in by_episode(steps).items()} == {3: 7, 5: 7}
    assert steps[-1].ended.all()


def test_a_single_environment_plays_alone_and_stays_open() -> None:
    env = make_env("CartPole-v1")
    q_network = network(4, 2)
    alone = by_episode(play(lambda obs, places: (q_network(obs),), env, episode_ids=range(3), num_envs=8))
    assert alone == by_episode(
        play(lambda obs, places: (q_network(obs),), "CartPole-v1", episode_ids=range(3))
    )
    env.reset(seed=0)


def test_environments_from_a_factory_are_closed() -> None:
    closed = []

    class Closing(gymnasium.Wrapper):
        def close(self) -> None:
            closed.append(self)
            super().close()

    steps = play(
        lambda obs, places: (torch.zeros(len(obs), 2),),
        lambda: Closing(make_env("CartPole-v1")),
        episode_ids=range(50),
        num_envs=4,
    )
    next(steps)
    steps.close()
    assert len(closed) == 4


def test_a_network_for_another_environment_is_refused() -> None:
    steps = play(lambda obs, places: (torch.zeros(len(obs), 3),), "CartPole-v1", episode_ids=range(2))
    with pytest.raises(EnvironmentMismatchError, match=r"shape \(2, 2\).*Found shape \(2, 3\)"):
        next(steps)


def test_a_network_that_fails_on_the_observations_is_refused() -> None:
    network = nn.Linear(8, 2)
    steps = play(lambda obs, places: (network(obs),), "CartPole-v1", episode_ids=range(2))
    message = r"shape \(2, 4\) from .*CartPole.*Found that it fails: .*shapes.* Use a network"
    with pytest.raises(EnvironmentMismatchError, match=message) as caught:
        next(steps)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value.__cause__, RuntimeError)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed >= 0. Found -1"),
        ({"epsilon": 5.0}, r"epsilon in \[0, 1\].*Found 5.0"),
        ({"epsilon": float("nan")}, "Found nan"),
        ({"num_envs": 0}, "num_envs >= 1. Found 0"),
        ({"max_episode_steps": 0}, "max_episode_steps >= 1 or None. Found 0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        next(
            play(
                lambda obs, places: (torch.zeros(len(obs), 2),),
                "CartPole-v1",
                episode_ids=range(1),
                **arguments,
            )
        )


def test_the_device_is_where_the_parameters_are() -> None:
    assert device_of(nn.Linear(2, 2, device="meta")) == torch.device("meta")
    assert device_of(lambda observations: observations) == torch.device("cpu")
