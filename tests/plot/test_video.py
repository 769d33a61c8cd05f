"""Videos: the right game, the right decisions, small files, and no half-written ones."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

import dqn2snn
from dqn2snn import zoo
from dqn2snn.errors import ArgumentError, EnvironmentMismatchError, MissingExtraError, PlanError
from dqn2snn.network import SpikingQNetwork
from dqn2snn.play.envs import action_names, make_env
from dqn2snn.plot.video._layout import (
    ALARM,
    BAND_GAP,
    GAME_LEFT,
    GAME_SIZE,
    GAME_TOP,
    LABEL_WIDTH,
    RIGHT,
    RIGHT_WIDTH,
    SNN,
    SPIKES_HEIGHT,
    SPIKES_TOP,
    VALUES_HEIGHT,
    VALUES_TOP,
)
from dqn2snn.plot.video._scene import Decision, Scene, shrink_spikes
from dqn2snn.plot.video._screen import draw
from dqn2snn.plot.video._write import GIF_BYTES, write
from tests.agents import agent, plan

NAME = "minatar-breakout"


@cache
def spiking(name: str) -> SpikingQNetwork:
    return SpikingQNetwork(plan(name))


def frames(path: Path) -> list[np.ndarray[Any, Any]]:
    with Image.open(path) as image:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]


def is_marked(frame: np.ndarray[Any, Any]) -> bool:
    """Whether the frame around the game is there that says that the networks differ."""
    return bool(tuple(frame[GAME_TOP + 1, GAME_LEFT + 1]) == ALARM)


@pytest.mark.parametrize("name", ["cartpole", "lunarlander", NAME])
def test_every_decision_is_a_frame(name: str, tmp_path: Path) -> None:
    path = tmp_path / "play.gif"
    written = dqn2snn.record_video(
        None, spiking(name), path, env=agent(name).env_id, num_steps=20, max_episode_steps=8, fps=10
    )
    assert written == path
    assert list(tmp_path.iterdir()) == [path]
    with Image.open(path) as image:
        assert image.size == (640, 352)
        assert image.n_frames == 8  # type: ignore[attr-defined]
        assert image.info["duration"] == 100


def test_the_game_is_the_one_that_the_network_plays(tmp_path: Path) -> None:
    path = dqn2snn.record_video(
        None,
        spiking(NAME),
        tmp_path / "play.gif",
        env=agent(NAME).env_id,
        seed=4,
        num_steps=20,
        max_episode_steps=6,
    )
    env = make_env(agent(NAME).env_id, render_mode="rgb_array")
    observation, _ = env.reset(seed=4)
    for frame in frames(path):
        game = frame[GAME_TOP : GAME_TOP + GAME_SIZE, GAME_LEFT : GAME_LEFT + GAME_SIZE]
        drawn = np.asarray(Image.fromarray(np.asarray(env.render())).resize((GAME_SIZE, GAME_SIZE), 0))
        far = np.abs(game.astype(int) - drawn).max(2) > 40  # the palette of a GIF is not exact
        assert far[3:-3, 3:-3].mean() < 0.01
        action = spiking(NAME)(torch.from_numpy(observation)[None], 20).argmax().item()
        observation, *_ = env.step(action)


def test_an_atari_game_is_shown_in_colours(tmp_path: Path) -> None:
    pytest.importorskip("ale_py", reason="Atari needs the extra atari")
    network = zoo.build_network(
        [["divide", 255], ["conv2d", 4, 4, 8, 8], ["relu"], ["flatten"], ["linear", 400, 4]]
    )
    snn = dqn2snn.convert(
        network.eval(), torch.randint(0, 256, (32, 4, 84, 84), dtype=torch.uint8), num_steps=8
    )
    path = dqn2snn.record_video(
        network, snn, tmp_path / "play.gif", env="BreakoutNoFrameskip-v4", max_episode_steps=4
    )
    shown = frames(path)[-1][GAME_TOP : GAME_TOP + GAME_SIZE, GAME_LEFT : GAME_LEFT + GAME_SIZE]
    red, green, blue = (shown[..., channel].astype(int) for channel in range(3))
    assert ((red > 150) & (green < 110) & (blue < 110)).mean() > 0.02  # the topmost row of bricks


def test_many_actions_have_room_for_the_name_of_the_one_taken(tmp_path: Path) -> None:
    names = ("no", *(f"a long name {index}" for index in range(17)))
    values = np.zeros(18)
    decision = Decision(Image.new("RGB", (10, 10)), (np.zeros((18, 4), np.float32),), values, None, 0, 0.0)
    narrow = np.asarray(draw(Scene("game", (("q", 18),), names, 4, (decision,)), 0))
    wide = np.asarray(draw(Scene("game", (("q", 18),), ("a", *"bcdefghijklmnopqr"), 4, (decision,)), 0))
    below = slice(VALUES_TOP + VALUES_HEIGHT + 1, VALUES_TOP + VALUES_HEIGHT + 18)
    right_half = slice(RIGHT + RIGHT_WIDTH // 2, None)
    assert len(np.unique(narrow[below, right_half])) == 1
    assert len(np.unique(wide[below, right_half])) > 1


def test_differences_to_the_dqn_are_marked(tmp_path: Path) -> None:
    network = agent(NAME)
    options: dict[str, Any] = {"num_steps": 20, "max_episode_steps": 5, "seed": 1}
    same = dqn2snn.record_video(
        lambda obs: spiking(NAME)(obs, 20),
        spiking(NAME),
        tmp_path / "a.gif",
        env=agent(NAME).env_id,
        **options,
    )
    other = dqn2snn.record_video(
        lambda obs: -spiking(NAME)(obs, 20),
        spiking(NAME),
        tmp_path / "b.gif",
        env=agent(NAME).env_id,
        **options,
    )
    alone = dqn2snn.record_video(None, spiking(NAME), tmp_path / "c.gif", env=agent(NAME).env_id, **options)
    assert not any(is_marked(frame) for frame in frames(same))
    assert all(is_marked(frame) for frame in frames(other))
    assert not any(is_marked(frame) for frame in frames(alone))
    assert network.training is False


def test_the_seed_determines_the_video(tmp_path: Path) -> None:
    first, again, other = (
        dqn2snn.record_video(
            None,
            spiking(NAME),
            tmp_path / f"{i}.gif",
            env=agent(NAME).env_id,
            seed=seed,
            num_steps=16,
            max_episode_steps=4,
        ).read_bytes()
        for i, seed in enumerate((1, 1, 2))
    )
    assert first == again
    assert first != other


def test_a_gif_that_would_be_too_large_leaves_frames_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = [Image.fromarray(rng.integers(0, 256, (352, 640, 3), dtype=np.uint8)) for _ in range(12)]
    path = tmp_path / "noise.gif"
    write(path, noise.__getitem__, len(noise), fps=10)
    assert path.stat().st_size < GIF_BYTES
    with Image.open(path) as image:
        assert 1 < image.n_frames < 12  # type: ignore[attr-defined]
        assert image.info["duration"] * image.n_frames == pytest.approx(1200, rel=0.3)  # type: ignore[attr-defined]


def test_what_was_there_stays_until_the_new_file_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "play.gif"
    path.write_bytes(b"old")

    def fail(index: int) -> Image.Image:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(path, fail, 3, fps=10)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("num_steps", "num_neurons", "num_layers"), [(1, 2, 2), (500, 1024, 3), (16, 3136, 5)]
)
def test_shrunk_spikes_keep_the_firing_rate(num_steps: int, num_neurons: int, num_layers: int) -> None:
    spikes = np.zeros((num_steps, num_neurons), dtype=bool)
    spikes[::2] = True
    picture = shrink_spikes(spikes, num_layers)
    assert picture.shape[0] <= num_neurons
    assert picture.shape[1] <= num_steps
    assert picture.mean() == pytest.approx(spikes.mean(), abs=0.02)
    assert not shrink_spikes(~spikes & False, num_layers).any()


@pytest.mark.parametrize("actions", [1, 2, 18, 60])
def test_the_chosen_action_is_seen_among_the_spikes_however_many_there_are(actions: int) -> None:
    spikes = tuple(shrink_spikes(np.ones((8, size), dtype=bool), 4) for size in (500, 300, 100, actions))
    layers = tuple((str(number), size) for number, size in enumerate((500, 300, 100, actions)))
    names = tuple(map(str, range(actions)))
    for action in {0, actions // 2, actions - 1}:
        q = np.eye(actions)[action]
        decision = Decision(Image.new("RGB", (10, 10)), spikes, q, None, action, 0.0)
        picture = np.asarray(draw(Scene("game", layers, names, 8, (decision,)), 0))
        band = picture[SPIKES_TOP + 3 * SPIKES_HEIGHT // 4 :][: SPIKES_HEIGHT // 4, RIGHT + LABEL_WIDTH + 5]
        rows = np.flatnonzero((band == SNN).all(1))
        assert len(rows) > 0
        middle = (action + 0.5) / actions * (SPIKES_HEIGHT // 4 - BAND_GAP)
        assert rows.mean() == pytest.approx(middle, abs=2.5)


@pytest.mark.parametrize(
    ("env_id", "names"),
    [
        ("CartPole-v1", ("left", "right")),
        ("MinAtar/SpaceInvaders-v1", ("no-op", "left", "right", "fire")),
        ("CliffWalking-v1", None),
    ],
)
def test_actions_have_names(env_id: str, names: tuple[str, ...] | None) -> None:
    if names is None:
        import gymnasium

        env: Any = gymnasium.wrappers.FlattenObservation(gymnasium.make(env_id))
        names = ("0", "1", "2", "3")
    else:
        env = make_env(env_id)
    assert action_names(env) == names


@pytest.mark.skipif(
    importlib.util.find_spec("imageio_ffmpeg") is not None, reason="imageio-ffmpeg is installed"
)
def test_mp4_without_ffmpeg_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(MissingExtraError, match="pip install imageio-ffmpeg"):
        dqn2snn.record_video(None, spiking(NAME), tmp_path / "play.mp4", env=agent(NAME).env_id)


@pytest.mark.skipif(importlib.util.find_spec("imageio_ffmpeg") is None, reason="needs imageio-ffmpeg")
def test_mp4_is_written_with_ffmpeg(tmp_path: Path) -> None:
    path = dqn2snn.record_video(
        None, spiking(NAME), tmp_path / "play.mp4", env=agent(NAME).env_id, num_steps=16, max_episode_steps=4
    )
    assert path.read_bytes()[4:8] == b"ftyp"


@pytest.mark.parametrize(
    ("path", "options", "error", "message"),
    [
        ("play.avi", {}, ArgumentError, r"\.gif or \.mp4\. Found '.*play\.avi'"),
        ("nowhere/play.gif", {}, ArgumentError, "Expected an existing directory"),
        ("play.gif", {"fps": 0}, ArgumentError, "fps >= 1. Found 0"),
        ("play.gif", {"num_steps": 0}, PlanError, "Found num_steps=0"),
        (
            "play.gif",
            {"env": "MinAtar/Freeway-v0"},
            EnvironmentMismatchError,
            r"Found shape \(7, 10, 10\)",
        ),
    ],
)
def test_what_cannot_be_recorded_is_refused_and_leaves_nothing(
    path: str, options: dict[str, Any], error: type[Exception], message: str, tmp_path: Path
) -> None:
    arguments = {"env": agent(NAME).env_id} | options
    with pytest.raises(error, match=message):
        dqn2snn.record_video(None, spiking(NAME), tmp_path / path, **arguments)
    assert not list(tmp_path.iterdir())
