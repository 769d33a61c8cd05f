"""Atari games: bit by bit what gymnasium's own wrappers show, under the protocol that the id names."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from dqn2snn._utils.atari import MACHADO2018, TAN2021, AtariProtocol
from dqn2snn.errors import ArgumentError, MissingExtraError
from dqn2snn.play import envs
from dqn2snn.play.collect import collect_observations
from dqn2snn.play.envs import Spaces, action_names, atari_protocol, make_env, spaces_of
from dqn2snn.play.evaluate import evaluate_policy
from dqn2snn.play.policies import Places
from dqn2snn.play.rollout import play

pytest.importorskip("ale_py", reason="Atari needs the extra atari")

from ale_py import roms

from dqn2snn.play._atari_env import AtariGame

BREAKOUT = "BreakoutNoFrameskip-v4"


class Beginning(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Seeds the emulator as the vector environment does, and plays the frames before the first decision."""

    def __init__(self, env: gymnasium.Env[Any, Any], seed: int, frames: int, fire: bool) -> None:
        super().__init__(env)
        self.seed, self.frames, self.fire = seed, frames, fire

    def reset(self, **_: Any) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset()
        game: Any = self.env.unwrapped
        game.ale.setInt("random_seed", self.seed)
        game.ale.loadROM(roms.get_rom_path(game._game))
        game.ale.reset_game()
        for frame in range(self.frames):
            observation, *_, info = self.env.step(int(self.fire and frame == 0))  # 0 is no-op, 1 is FIRE
        return observation, info


def gymnasiums_own(env_id: str, protocol: AtariProtocol, seed: int, frames: int) -> gymnasium.Env[Any, Any]:
    spec = gymnasium.spec(env_id)
    game = gymnasium.make(f"{env_id.removeprefix('ALE/').removesuffix('-v5')}NoFrameskip-v4"
                          if protocol is MACHADO2018 else env_id,
                          repeat_action_probability=spec.kwargs["repeat_action_probability"],
                          disable_env_checker=True).unwrapped  # fmt: skip
    fire = protocol.fire_on_reset and "FIRE" in game.get_action_meanings()  # type: ignore[attr-defined]
    preprocessed = gymnasium.wrappers.AtariPreprocessing(
        Beginning(game, seed, frames, fire), noop_max=0, frame_skip=4, terminal_on_life_loss=False
    )
    return gymnasium.wrappers.FrameStackObservation(preprocessed, 4, padding_type="zero")


@pytest.mark.parametrize(
    "env_id",
    [BREAKOUT, "CrazyClimberNoFrameskip-v4", "RoadRunnerNoFrameskip-v4", "ALE/Breakout-v5", "ALE/Pong-v5"],
)
def test_frames_rewards_and_ends_are_those_of_gymnasiums_wrappers(env_id: str) -> None:
    pytest.importorskip("cv2", reason="gymnasium's AtariPreprocessing needs OpenCV")
    protocol = atari_protocol(env_id)
    assert protocol is not None
    rng, env = np.random.default_rng(0), make_env(env_id)
    rewards = 0.0
    for seed in (3, 4):
        observation, info = env.reset(seed=seed)
        other = gymnasiums_own(env_id, protocol, seed, info["episode_frame_number"])
        expected, _ = other.reset()
        np.testing.assert_array_equal(observation, expected)
        for _ in range(250):
            action = int(rng.integers(spaces_of(env).num_actions))
            observation, *outcome, info = env.step(action)
            expected, *expected_outcome, expected_info = other.step(action)
            assert outcome == expected_outcome
            assert info["lives"] == expected_info["lives"]
            rewards += outcome[0]
            if any(outcome[1:]):
                break
            np.testing.assert_array_equal(observation, expected)
    assert rewards != 0 or "Crazy" in env_id


def test_ids_say_the_protocol() -> None:
    assert atari_protocol("RoadRunnerNoFrameskip-v4") is TAN2021
    assert atari_protocol("ALE/RoadRunner-v5") is MACHADO2018
    assert [atari_protocol(other) for other in ("CartPole-v1", "MinAtar/Breakout-v0", "Pong-v4")] == [
        None
    ] * 3
    assert (TAN2021.max_episode_steps, MACHADO2018.max_episode_steps) == (18_000, 27_000)


def test_the_protocols_are_those_that_gymnasium_registers() -> None:
    make_env(BREAKOUT).close()
    for env_id, spec in gymnasium.registry.items():
        if (protocol := atari_protocol(env_id)) is not None:
            assert spec.kwargs["repeat_action_probability"] == protocol.sticky, env_id
            assert not spec.kwargs["full_action_space"]
    assert gymnasium.spec("ALE/Pong-v5").kwargs["max_num_frames_per_episode"] == MACHADO2018.max_frames


@pytest.mark.parametrize(
    ("env_id", "num_actions"),
    [("RoadRunnerNoFrameskip-v4", 18), (BREAKOUT, 4), ("ALE/CrazyClimber-v5", 9)],
)
def test_what_a_network_sees(env_id: str, num_actions: int) -> None:
    env = make_env(env_id)
    assert spaces_of(env) == Spaces((4, 84, 84), num_actions)
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space
    assert observation.dtype == np.uint8
    assert [bool(picture.any()) for picture in observation] == [False, False, False, True]
    kept = observation.copy()
    env.step(0)
    np.testing.assert_array_equal(observation, kept)  # it is no window on what comes next
    assert env_id in str(env)


def test_an_episode_begins_with_no_ops_and_fire_where_the_protocol_says_so() -> None:
    def first_frames(env_id: str) -> set[int]:
        env = make_env(env_id)
        return {env.reset(seed=seed)[1]["episode_frame_number"] for seed in range(12)}

    with_fire, without = first_frames(BREAKOUT), first_frames("CrazyClimberNoFrameskip-v4")
    assert min(with_fire) >= 1
    assert len(with_fire) > 5
    assert 0 in without
    assert max(with_fire | without) < 30
    assert first_frames("ALE/Breakout-v5") == {0}


def test_actions_have_names() -> None:
    assert action_names(make_env(BREAKOUT)) == ("noop", "fire", "right", "left")


def test_a_whole_game_is_an_episode() -> None:
    env = make_env(BREAKOUT)
    env.reset(seed=0)
    lives, ended = [5], False
    while not ended:
        _, _, ended, truncated, info = env.step(1)  # FIRE, which never moves
        assert not truncated
        lives.append(info["lives"])
    assert sorted(set(lives)) == [0, 1, 2, 3, 4, 5]
    with pytest.raises(gymnasium.error.ResetNeeded, match="has ended"):
        env.step(1)


def test_a_game_is_cut_off_after_as_many_frames_as_the_protocol_says() -> None:
    env = AtariGame("breakout", AtariProtocol("short", 30, True, 0.0, max_frames=40))
    env.reset(seed=0)
    assert [env.step(0)[2:4] for _ in range(10)] == [(False, False)] * 9 + [(False, True)]


@pytest.mark.parametrize("env_id", [BREAKOUT, "ALE/Breakout-v5"])
def test_an_episode_depends_on_its_seed_alone(env_id: str) -> None:
    def episode(env: gymnasium.Env[Any, Any], seed: int | None) -> list[bytes]:
        rng = np.random.default_rng(0)
        seen = [env.reset(seed=seed)[0].tobytes()]
        return seen + [env.step(int(rng.integers(4)))[0].tobytes() for _ in range(40)]

    used = make_env(env_id)
    first, second = episode(used, 0), episode(used, 1)
    assert first != second
    assert episode(used, 0) == first
    drawn = episode(used, None)
    assert drawn != first
    episode(used, 0)
    assert episode(used, None) == drawn
    assert episode(make_env(env_id), 1) == second


def favourite(num_actions: int) -> Any:
    """A Q-function that follows the picture, without weights that would have to be kept."""

    def q_function(observations: Tensor, places: Places | None = None) -> tuple[Tensor, ...]:
        columns = observations[:, -1, :, :].sum(1)[:, : num_actions * 8]
        return (columns.unflatten(1, (num_actions, 8)).sum(2),)

    return q_function


def record(env: Any, num_envs: int) -> dict[int, list[tuple[int, float, bytes]]]:
    episodes: dict[int, list[tuple[int, float, bytes]]] = {}
    for step in play(
        favourite(4), env, episode_ids=range(6), epsilon=0.2, num_envs=num_envs, max_episode_steps=120
    ):
        rows = zip(step.episode_ids, step.actions, step.rewards, step.observations, strict=True)
        for episode, action, reward, observation in rows:
            episodes.setdefault(int(episode), []).append((int(action), reward, observation.tobytes()))
    return episodes


def test_episodes_do_not_depend_on_how_many_run_at_a_time() -> None:
    alone = record(BREAKOUT, 1)
    assert record(BREAKOUT, 5) == alone
    # Behind a wrapper, the two halves of a step cannot be seen.
    assert record(lambda: gymnasium.wrappers.OrderEnforcing(make_env(BREAKOUT)), 5) == alone
    env = make_env(BREAKOUT)
    rng = np.random.default_rng([0, 2])
    observation, _ = env.reset(seed=2)
    for action, reward, seen in alone[2]:
        assert observation.tobytes() == seen
        greedy = favourite(4)(torch.from_numpy(observation)[None].float())[0].argmax().item()
        chance, other = rng.random(), rng.integers(4)
        assert action == (other if chance < 0.2 else greedy)
        observation, found, *_ = env.step(action)
        assert found == reward


def test_scores_are_raw() -> None:
    skiing = evaluate_policy(
        lambda x: torch.zeros(len(x), 3), "SkiingNoFrameskip-v4", episodes=1, max_episode_steps=50
    )
    assert skiing.returns[0] < -50  # clipped rewards would not get there in 50 steps


def test_pictures_are_of_the_same_episode() -> None:
    env, plain = make_env(BREAKOUT, render_mode="rgb_array"), make_env(BREAKOUT)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.render()
    np.testing.assert_array_equal(env.reset(seed=1)[0], plain.reset(seed=1)[0])
    for action in (1, 2, 2, 0, 3) * 8:
        observation, *_ = env.step(action)
        np.testing.assert_array_equal(observation, plain.step(action)[0])
        assert same_scene(env.render(), observation[-1])
    with pytest.raises(ArgumentError, match='Expected render_mode "rgb_array"'):
        make_env(BREAKOUT, render_mode="human")


def same_scene(picture: Any, seen: NDArray[np.uint8]) -> bool:
    """Whether a picture in colours, made grey and small, is what was seen."""
    assert picture.shape == (210, 160, 3)
    grey = torch.from_numpy(np.ascontiguousarray(picture)).float() @ torch.tensor([0.299, 0.587, 0.114])
    small = torch.nn.functional.interpolate(grey[None, None], (84, 84), mode="area")[0, 0].numpy()
    return float(np.abs(small - seen).mean()) < 3


@pytest.mark.parametrize("env_id", ["RoadRunerNoFrameskip-v4", "ALE/RoadRuner-v5", "ALE/road_runner-v5"])
def test_an_unknown_game_is_answered_with_near_ones(env_id: str) -> None:
    with pytest.raises(ArgumentError, match=rf"Atari game. Found '{env_id}'. Did you mean .*RoadRunner"):
        make_env(env_id)


def test_what_the_emulator_would_hang_on_is_refused() -> None:
    env = make_env(BREAKOUT)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
    with pytest.raises(ArgumentError, match=r"below 2\^31"):
        env.reset(seed=2**31)
    env.reset(seed=0)
    for action in (4, -1):
        with pytest.raises(ArgumentError, match=rf"action in Discrete\(4\). Found {action}"):
            env.step(action)


def test_a_missing_emulator_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def require(module: str, *, extra: str) -> Any:
        if module == "ale_py":
            raise MissingExtraError(f"{module} {extra}")
        return gymnasium

    monkeypatch.setattr(envs, "require", require)
    with pytest.raises(MissingExtraError, match="ale_py atari"):
        make_env(BREAKOUT)


def test_frames_stay_bytes_when_they_are_collected() -> None:
    observations = collect_observations(
        lambda x: favourite(4)(x)[0], 50, env=BREAKOUT, min_episodes=2, num_envs=2, max_episode_steps=60
    )
    assert observations.dtype == torch.uint8
    assert observations.shape == (50, 4, 84, 84)
    again = collect_observations(
        lambda x: favourite(4)(x)[0], 50, env=BREAKOUT, min_episodes=2, num_envs=1, max_episode_steps=60
    )
    assert torch.equal(observations, again)
