"""Games seen by the console's memory, beside ale-py's own interface, and what is learned from it."""

from __future__ import annotations

import dataclasses
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

pytest.importorskip("ale_py", reason="the Atari trainer needs the extra atari")
pytest.importorskip("cv2", reason="frames are made smaller by OpenCV")

import ale_py
import cv2
from ale_py.roms import get_rom_path

from atari.curve import Meter
from atari.distillation import Lesson, distil
from atari.evaluation import scores_of
from atari.export import read_export, write_export
from atari.games import Games
from atari.memory import MemoryGames, games_of
from atari.network import QuantileNetwork, as_input, averaged
from atari.settings import Settings
from atari.trainer import Trainer

EXAMPLES = Path(__file__).parents[2] / "examples"
SMALL = Settings(body="ram", num_envs=2, replay_size=2_000, learning_starts=100, batch_size=16, quantiles=4)


class Console:
    """One game of ale-py's own interface, begun with so many no-ops."""

    def __init__(self, rom: str, no_ops: int) -> None:
        self.ale = ale_py.ALEInterface()
        self.ale.setFloat("repeat_action_probability", 0.0)
        self.ale.loadROM(get_rom_path(rom))
        self.actions = self.ale.getMinimalActionSet()
        for _ in range(no_ops):
            self.ale.act(self.actions[0])
        self.screens = [self.ale.getScreenGrayscale()] * 2

    def step(self, action: int) -> float:
        reward = 0.0
        for _ in range(4):
            reward += self.ale.act(self.actions[action])
            self.screens = [self.screens[1], self.ale.getScreenGrayscale()]
        return reward

    @property
    def memory(self) -> NDArray[np.uint8]:
        return np.array(self.ale.getRAM())

    @property
    def frame(self) -> NDArray[np.uint8]:
        brighter = np.maximum(*self.screens)
        return np.array(cv2.resize(brighter, (84, 84), interpolation=cv2.INTER_AREA))


def consoles_of(games: MemoryGames, rom: str) -> list[Console]:
    """The same games, whose number of no-ops only their memory tells."""
    begun = [Console(rom, no_ops) for no_ops in range(1, 31)]
    return [
        next(console for console in begun if np.array_equal(console.memory, memory))
        for memory in games.observations[:, -1, 0]
    ]


@pytest.mark.parametrize("rom", ["breakout", "video_pinball"])
def test_what_is_seen_is_the_memory_and_the_screen_of_the_console(rom: str) -> None:
    games, rng = MemoryGames(rom, count=2, seed=7), np.random.default_rng(0)
    assert not games.observations[:, :-1].any()
    assert not games.frames[:, :-1].any()
    consoles = consoles_of(games, rom)
    lives, scores = np.array([console.ale.lives() for console in consoles]), np.zeros(2)
    lost, over = 0, np.zeros(2, bool)
    while not over.any():
        before, actions = (games.observations, games.frames), rng.integers(games.num_actions, size=2)
        played = games.step(actions)
        rewards = [console.step(action) for console, action in zip(consoles, actions, strict=True)]
        now = np.array([console.ale.lives() for console in consoles])
        over = np.array([console.ale.game_over() for console in consoles])
        scores += rewards
        assert np.array_equal(played.rewards, rewards)
        assert np.array_equal(played.terminal, (now < lives) | over)
        assert np.array_equal(played.over, over)
        for i in np.flatnonzero(~over):
            for seen, old, new in zip(
                (games.observations, games.frames),
                before,
                (consoles[i].memory, consoles[i].frame),
                strict=True,
            ):
                assert np.array_equal(seen[i, :-1], old[i, 1:])
                assert np.array_equal(seen[i, -1].squeeze(), new)
        lost, lives = lost + int((now < lives).sum()), now
    assert lost >= 3
    assert played.scores == {int(i): scores[i] for i in np.flatnonzero(over)}
    assert not games.observations[over, :-1].any()  # another game has begun
    assert games.observations[over, -1].any()


def test_a_limit_of_time_ends_a_game_but_is_no_terminal() -> None:
    games = MemoryGames("Pong", count=2, seed=0, max_frames=100)
    played = [games.step(np.zeros(2, np.int64)) for _ in range(60)]
    assert sum(step.over.sum() for step in played) >= 4
    assert not any(step.terminal.any() for step in played)


def test_a_network_learns_from_memory_and_is_kept(tmp_path: Path) -> None:
    trainer, meter = Trainer("Pong", SMALL), Meter()
    assert [games_of(body) for body in ("ram", "nips2013")] == [type(trainer.games), Games]
    for _ in range(60):
        trainer.play(meter)
        trainer.learn(meter)
    assert trainer.learner.updates == 11
    network, description = trainer.result()
    write_export(tmp_path, network, description)
    again, found = read_export(tmp_path)
    assert (again.body, found["body"]) == ("ram", "ram")


@pytest.mark.slow
def test_it_is_scored_by_games_that_it_sees() -> None:
    torch.manual_seed(0)
    network = averaged(QuantileNetwork("ram", actions=6, quantiles=4))
    scores = scores_of(network, "Pong", episodes=2, seed=5, play=MemoryGames)
    assert all(-21 <= score <= -15 for score in scores)


def test_a_network_of_frames_learns_what_it_knows() -> None:
    torch.manual_seed(0)
    teacher, student = QuantileNetwork("ram", 6, 4), QuantileNetwork("nips2013", 6, 4)
    with torch.no_grad():
        teacher.q.bias += torch.linspace(-3, 3, 24)
    games, rng = MemoryGames("Pong", count=8, seed=5), np.random.default_rng(0)
    for _ in range(50):
        games.step(rng.integers(6, size=8))
    memory, frames = (as_input(torch.from_numpy(seen)) for seen in (games.observations, games.frames))

    def error() -> float:
        with torch.no_grad():
            return float((teacher(memory) - student(frames)).abs().mean())

    before = error()
    distil(teacher, student, "Pong", Lesson(updates=200, batch_size=16, num_envs=2, memory=400))
    assert error() < 0.4 * before


def test_no_agent_is_made_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network, description = Trainer("Pong", dataclasses.replace(SMALL, num_envs=1)).result()
    write_export(tmp_path, network, description)
    monkeypatch.setattr(sys, "argv", ["export_atari.py", str(tmp_path)])
    with pytest.raises(SystemExit, match="2"):
        runpy.run_path(str(EXAMPLES / "export_atari.py"), run_name="__main__")
    (line,) = capsys.readouterr().err.splitlines()
    assert "Expected a network that sees frames. Found body 'ram'" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.json", "checkpoint.safetensors"]
