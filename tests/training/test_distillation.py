"""A network learns what another knows, and a checkpoint of it is one like any other."""

from __future__ import annotations

import runpy
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

pytest.importorskip("ale_py", reason="distillation needs the extra atari")

from atari.curve import read_curve
from atari.distillation import Lesson, distil, lesson_loss
from atari.export import Description, read_export, write_export
from atari.games import Games
from atari.messages import one_line
from atari.network import QuantileNetwork, as_input
from dqn2snn.errors import ArgumentError

SCRIPT = Path(__file__).parents[2] / "examples" / "distill_atari.py"
SMALL = Lesson(updates=120, batch_size=16, num_envs=4, memory=400)


def network(body: str, seed: int) -> QuantileNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return QuantileNetwork(body, actions=4, quantiles=4)


def frames(count: int) -> torch.Tensor:
    """Of Breakout, played at random."""
    games, rng, seen = Games("Breakout", 4, seed=5), np.random.default_rng(0), []
    for _ in range(count):
        seen.append(torch.from_numpy(games.observations))
        games.step(rng.integers(4, size=4))
    return torch.cat(seen)


def test_the_student_says_what_the_teacher_says() -> None:
    teacher, student = network("nips2013", 0), network("nature", 1)
    with torch.no_grad():
        teacher.q.bias += torch.linspace(-3, 3, 16)  # something to learn that does not depend on the frame
    kept, x = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}, as_input(frames(8))

    def error() -> float:
        with torch.no_grad():
            return float((teacher(x) - student(x)).abs().mean())

    before = error()
    lesson = replace(SMALL, updates=300)
    taught = distil(teacher, student, "Breakout", lesson)
    assert error() < 0.2 * before
    assert taught.updates == lesson.updates
    assert taught.steps >= taught.updates * SMALL.num_envs
    assert all(torch.equal(tensor, kept[name]) for name, tensor in teacher.state_dict().items())


def test_what_sets_actions_apart_counts_more_than_what_a_moment_is_worth() -> None:
    generator = torch.Generator().manual_seed(0)
    known = torch.randn(8, 4, 5, generator=generator)
    better, other = torch.zeros(4, 1), torch.zeros(4, 1)
    better += 0.5  # of every action
    other[1], other[2] = 1.0, -1.0  # the same distance, of two actions
    losses = [float(lesson_loss(known + change, known, 100.0)) for change in (better, other)]
    distances = [float(F.smooth_l1_loss(known + change, known)) for change in (better, other)]
    assert losses[0] == pytest.approx(distances[0], rel=1e-5)
    assert losses[1] == pytest.approx(distances[1] + 100 * (2 * (1 - 0.05) / 4), rel=1e-5)


def test_the_curve_of_a_lesson_rises() -> None:
    lesson = Lesson(updates=540, batch_size=16, num_envs=2, memory=400)
    taught = distil(network("nips2013", 0), network("nips2013", 1), "Breakout", lesson)
    first, last = taught.curve
    assert (first["update"], last["update"]) == (500, 540)
    assert (first["step"], last["step"]) == (taught.steps - 40 * lesson.num_envs, taught.steps)
    assert last["loss"] < 0.5 * first["loss"]
    assert first["agreement"] < last["agreement"] <= 1
    assert 0 <= first["score"] < 30  # Breakout's games are short at random


def test_a_lesson_is_repeated_exactly_and_can_be_cut_short() -> None:
    teacher, students, curves = network("nips2013", 0), [network("nature", 1) for _ in range(2)], []
    for student in students:
        asked = iter([False] * 5 + [True])
        taught = distil(teacher, student, "Breakout", SMALL, lambda asked=asked: next(asked))  # type: ignore[misc]
        assert taught.updates == 5
        curves.append(taught.curve)
    assert curves[0] == curves[1]
    assert [point["update"] for point in curves[0]] == [5]
    for name, tensor in students[0].state_dict().items():
        assert torch.equal(tensor, students[1].state_dict()[name])


def test_the_command_writes_a_checkpoint_of_the_other_body(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    description: Description = {
        "game": "breakout",
        "body": "nips2013",
        "quantiles": 4,
        "actions": 4,
        "steps": 1_000,
        "score": None,
        "training": {"wall_seconds": 10.0},
    }
    teacher, out = tmp_path / "teacher", tmp_path / "runs" / "student"
    teacher.mkdir()
    write_export(teacher, network("nips2013", 0), description)
    monkeypatch.setattr(
        sys, "argv", [str(SCRIPT), str(teacher), f"--out={out}", "--updates=2", "--episodes=1"]
    )
    runpy.run_path(str(SCRIPT), run_name="__main__")
    assert "mean score" in capsys.readouterr().out
    student, found = read_export(out)
    assert (student.body, found["body"], found["game"]) == ("nature", "nature", "breakout")
    assert found["steps"] > description["steps"]
    assert found["training"]["distilled"]["from"] == "nips2013"
    assert found["score"] is not None
    (point,) = read_curve(out)
    assert (point["step"], point["update"]) == (found["steps"], 2)


@pytest.mark.parametrize("options", [{"num_envs": 1}, {"memory": 8}, {"updates": 0}, {"advantages": -1.0}])
def test_a_lesson_that_cannot_be_given_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(ArgumentError, match="Expected two games or more"):
        Lesson(**options)


@pytest.mark.parametrize("script", ["distill_atari.py", "export_atari.py"])
def test_a_directory_without_a_checkpoint_is_one_line(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = [f"--out={tmp_path / 'student'}"] if script == SCRIPT.name else []
    monkeypatch.setattr(sys, "argv", [script, str(tmp_path / "nothing"), *out])
    with pytest.raises(SystemExit, match="2"):
        runpy.run_path(str(SCRIPT.with_name(script)), run_name="__main__")
    (line,) = capsys.readouterr().err.splitlines()
    assert "nothing: Expected the checkpoint of a quantile network" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ArgumentError("Expected a game."), 2, "Expected a game."),
        (NotADirectoryError(20, "Not a directory", "runs"), 2, "Not a directory: runs"),
        (OSError("no space"), 2, "no space"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_a_script_ends_with_one_line(
    error: BaseException, status: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught, one_line():
        raise error
    assert caught.value.code == status
    assert capsys.readouterr().err == f"{line}\n"
