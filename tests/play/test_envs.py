"""What environments look like to a network, and that a seed determines an episode."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

from dqn2snn.errors import ArgumentError, EnvironmentMismatchError, MissingExtraError
from dqn2snn.play.envs import Spaces, check_env, make_env, spaces_of

GAMES = ["Asterix", "Breakout", "Freeway", "Seaquest", "SpaceInvaders"]
ENV_IDS = ["CartPole-v1", "Acrobot-v1", "LunarLander-v3", *(f"MinAtar/{game}-v0" for game in GAMES)]


def random_episode(env: gymnasium.Env[Any, Any], seed: int, num_steps: int = 60) -> list[tuple[bytes, float]]:
    rng = np.random.default_rng(seed)
    trajectory = [(env.reset(seed=seed)[0].tobytes(), 0.0)]
    for _ in range(num_steps):
        observation, reward, terminated, truncated, _ = env.step(
            int(rng.integers(spaces_of(env).num_actions))
        )
        trajectory.append((observation.tobytes(), float(reward)))
        if terminated or truncated:
            break
    return trajectory


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_an_episode_depends_on_its_seed_and_not_on_the_one_before(env_id: str) -> None:
    # Without the wrapper, one MinAtar episode in ten differs: a sticky first step repeats an old action.
    used = make_env(env_id)
    for seed in range(30):
        random_episode(used, 100 + seed)
        assert random_episode(used, seed) == random_episode(make_env(env_id), seed)


@pytest.mark.parametrize("game", GAMES)
def test_minatar_keeps_the_benchmarks_protocol(game: str) -> None:
    env = make_env(f"MinAtar/{game}-v0")
    inner = env.unwrapped.game  # type: ignore[attr-defined]
    assert inner.sticky_action_prob == 0.1
    assert getattr(inner.env, "ramping", True) is True  # Breakout and Freeway have no ramp
    assert env.action_space == gymnasium.spaces.Discrete(6)
    assert env.get_wrapper_attr("_max_episode_steps") == 5000


@pytest.mark.parametrize("game", GAMES)
def test_minatar_observations_are_the_games_state_channel_first(game: str) -> None:
    env = make_env(f"MinAtar/{game}-v0")
    env.reset(seed=0)
    for action in (1, 5, 2, 4):
        observation, *_ = env.step(action)
        state = env.unwrapped.game.state()  # type: ignore[attr-defined]
        assert observation.dtype == np.float32
        assert observation in env.observation_space
        np.testing.assert_array_equal(observation, np.moveaxis(state, 2, 0))


def test_minatar_draws_each_channel_in_its_colour() -> None:
    env = make_env("MinAtar/Breakout-v0", render_mode="rgb_array")
    env.reset(seed=0)
    frame = env.render()
    assert isinstance(frame, np.ndarray)
    assert frame.shape == (160, 160, 3)
    assert frame.dtype == np.uint8
    assert len(np.unique(frame.reshape(-1, 3), axis=0)) == 4  # nothing, paddle, ball over its trail, brick


@pytest.mark.parametrize(
    ("env_id", "spaces"),
    [
        ("CartPole-v1", Spaces((4,), 2)),
        ("LunarLander-v3", Spaces((8,), 4)),
        ("MinAtar/Freeway-v0", Spaces((7, 10, 10), 6)),
        ("MinAtar/Freeway-v1", Spaces((7, 10, 10), 3)),
    ],
)
def test_spaces_are_what_a_network_needs_to_know(env_id: str, spaces: Spaces) -> None:
    env = make_env(env_id)
    assert spaces_of(env) == spaces
    check_env(env, *spaces)


@pytest.mark.parametrize("env_id", ["NoSuchGame-v0", "MinAtar/NoSuchGame-v0", "not an id", "LunarLander-v2"])
def test_an_unknown_id_is_refused_by_name(env_id: str) -> None:
    with pytest.raises(ArgumentError, match=env_id):
        make_env(env_id)


def test_what_an_environment_itself_lacks_is_named() -> None:
    with pytest.raises(MissingExtraError, match=r"HalfCheetah-v5.*gymnasium\[mujoco\]"):
        make_env("HalfCheetah-v5")


def test_continuous_actions_are_refused() -> None:
    with pytest.raises(EnvironmentMismatchError, match=r"Expected Discrete actions.*Found Box\(-2.0, 2.0"):
        make_env("Pendulum-v1")


def test_observations_that_are_no_array_are_refused() -> None:
    with pytest.raises(EnvironmentMismatchError, match=r"Expected Box observations.*Found Discrete\(16\)"):
        make_env("FrozenLake-v1")


@pytest.mark.parametrize(
    ("shape", "num_actions", "message"),
    [
        ((10, 10, 7), 6, r"observations of shape \(10, 10, 7\).*Found shape \(7, 10, 10\)"),
        ((7, 10, 10), 3, r"Expected 3 actions.*Found 6"),
    ],
)
def test_a_misfit_between_network_and_environment_is_named(
    shape: tuple[int, ...], num_actions: int, message: str
) -> None:
    with pytest.raises(EnvironmentMismatchError, match=message):
        check_env(make_env("MinAtar/Freeway-v0"), shape, num_actions)


def test_actions_that_do_not_count_from_zero_are_refused() -> None:
    env = make_env("CartPole-v1")
    env.action_space = gymnasium.spaces.Discrete(2, start=1)
    with pytest.raises(EnvironmentMismatchError, match="start=1"):
        spaces_of(env)
