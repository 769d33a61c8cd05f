"""Trainings of a few hundred steps on real games: they end, go on, are killed, and go on all the same."""

from __future__ import annotations

import dataclasses
import json
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("ale_py", reason="the Atari trainer needs the extra atari")

from atari.checkpoint import read_tensors, write_tensors
from atari.curve import Meter, read_curve
from atari.export import read_export
from atari.settings import Settings
from atari.stopping import stopping
from atari.trainer import Trainer
from atari.training import CHECKPOINT, train
from dqn2snn.errors import ArgumentError, CheckpointError

SCRIPT = Path(__file__).parents[2] / "examples" / "train_atari.py"
SMALL = Settings(
    quantiles=4,
    num_envs=4,
    replay_size=400,
    learning_starts=40,
    batch_size=4,
    target_every=10,
    epsilon_steps=500,
    window=2,
)
RANDOM = dataclasses.replace(SMALL, epsilon_end=0.9)  # of which Breakout ends soon
OPTIONS = [
    part
    for field in dataclasses.fields(Settings)
    if (value := getattr(SMALL, field.name)) != field.default
    for part in (f"--{field.name.replace('_', '-')}", str(value))
]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """The command, in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["train_atari.py", *map(str, arguments), *OPTIONS])
    try:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    except SystemExit as done:
        return int(done.code or 0)
    return 0


def progress_of(path: Path) -> dict[str, Any]:
    return dict(read_tensors(path / CHECKPOINT)[1]["progress"])


def curve_of(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (path / "curve.jsonl").read_text().splitlines()]


def test_the_same_command_goes_on_where_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert run(monkeypatch, "Breakout", "--out", out, "--steps", 200) == 0
    assert "breakout after 200 steps" in capsys.readouterr().out
    first = progress_of(out)
    assert (first["step"], first["updates"]) == (200, (200 - 40) // 4 + 1)
    assert run(monkeypatch, "Breakout", "--out", out, "--steps", 400) == 0
    second = progress_of(out)
    assert (second["step"], second["updates"]) == (400, 2 * first["updates"])  # the replay filled again first
    assert second["wall_seconds"] > first["wall_seconds"]
    points = curve_of(out)
    assert [point["step"] for point in points] == [200, 400]
    assert [point["epsilon"] for point in points] == [round(SMALL.epsilon(step), 6) for step in (200, 400)]
    assert all({"loss", "max_q", "steps_per_second", "learn_seconds"} <= point.keys() for point in points)
    assert {path.name for path in out.iterdir()} == {
        CHECKPOINT,
        "curve.jsonl",
        "checkpoint.json",
        "checkpoint.safetensors",
    }
    before = (out / CHECKPOINT).read_bytes()
    assert run(monkeypatch, "Breakout", "--out", out, "--steps", 400) == 0  # nothing is left to do
    assert (out / CHECKPOINT).read_bytes() == before


def test_another_training_begins_from_an_export_or_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    assert run(monkeypatch, "Breakout", "--out", one, "--steps", 120) == 0
    network, description = read_export(one)
    begun = description["steps"]
    for steps in (begun + 20, begun + 36):  # the second time from its own checkpoint
        assert run(monkeypatch, "Breakout", "--out", two, "--init", one, "--steps", steps) == 0
        assert progress_of(two)["step"] == steps
    earlier, curve = read_curve(one), read_curve(two)
    assert [point for point in curve if point["step"] <= begun] == [
        point for point in earlier if point["step"] <= begun
    ]
    assert [point["step"] for point in curve][-2:] == [begun + 20, begun + 36]
    weights = within_network(two)
    assert all(
        torch.equal(weights[name], tensor) for name, tensor in network.state_dict().items()
    )  # not yet learning
    assert run(monkeypatch, "Breakout", "--out", three, "--init", two, "--seed", 2, "--steps", steps + 4) == 0
    assert read_export(three)[1]["training"]["before"] == [{"steps": begun}, {"steps": steps, "seed": 1}]
    older = {name: value for name, value in description["training"].items() if name != "priority_exponent"}
    trainer = Trainer("Breakout", dataclasses.replace(SMALL, priority_exponent=0.5))
    trainer.begin_from(network, {**description, "training": older})
    assert trainer.progress.before == [{"steps": begun, "priority_exponent": 0.0}]
    three = tmp_path / "resumed"
    assert run(monkeypatch, "Breakout", "--out", three, "--resume", one, "--steps", 156) == 0
    assert (progress_of(three)["step"], progress_of(three)["updates"]) == (156, progress_of(one)["updates"])
    capsys.readouterr()
    assert run(monkeypatch, "Pong", "--out", tmp_path / "four", "--init", one) == 2
    assert "Expected a network for this game" in capsys.readouterr().err
    assert run(monkeypatch, "Pong", "--out", one) == 2
    assert "Found other game in" in capsys.readouterr().err
    assert run(monkeypatch, "Breakout", "--out", one, "--gamma", 0.5) == 2
    assert "Found other gamma in" in capsys.readouterr().err
    assert run(monkeypatch, "Breakout", "--out", tmp_path / "four", "--resume", tmp_path) == 2
    assert "No such file" in capsys.readouterr().err
    assert run(monkeypatch, "Breakout", "--out", tmp_path / "four", "--gamma", 1.5) == 2
    assert "Expected gamma to be a number from 0 to 1. Found 1.5." in capsys.readouterr().err
    assert not (tmp_path / "four").exists()


def within_network(out: Path) -> dict[str, torch.Tensor]:
    tensors, _ = read_tensors(out / CHECKPOINT)
    return {
        name.removeprefix("network."): tensor
        for name, tensor in tensors.items()
        if name.startswith("network.")
    }


@pytest.mark.slow
def test_the_best_network_is_scored_and_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "Breakout", "--out", tmp_path, "--steps", 120) == 0
    curve, checkpoint = (tmp_path / "curve.jsonl").read_bytes(), (tmp_path / CHECKPOINT).read_bytes()
    assert run(monkeypatch, "Breakout", "--out", tmp_path, "--export", "--episodes", 2) == 0
    assert "in 2 games" in capsys.readouterr().out
    score = read_export(tmp_path)[1]["score"]
    assert score is not None
    assert (score["epsilon"], score["episodes"], len(score["returns"])) == (0.05, 2, 2)
    assert ((tmp_path / "curve.jsonl").read_bytes(), (tmp_path / CHECKPOINT).read_bytes()) == (
        curve,
        checkpoint,
    )
    assert run(monkeypatch, "Breakout", "--out", tmp_path / "new", "--export") == 2
    assert "No such file" in capsys.readouterr().err


def played(trainer: Trainer, rounds: int) -> Trainer:
    meter = Meter()
    for _ in range(rounds):
        trainer.play(meter)
        trainer.learn(meter)
    return trainer


def test_a_checkpoint_holds_all_of_the_state(tmp_path: Path) -> None:
    first, meter = Trainer("Breakout", RANDOM), Meter()
    for _ in range(240):
        first.play(meter)
    played(first, 10)
    assert first.progress.best is not None
    first.save(tmp_path / CHECKPOINT)
    second = Trainer("Breakout", RANDOM)
    second.restore(tmp_path / CHECKPOINT)
    assert second.progress == first.progress
    assert second.epsilon == first.epsilon == RANDOM.epsilon(1_000)
    assert second.learner.updates == first.learner.updates > 0
    for name in ("exploration", "sampling"):
        assert getattr(second, name).random(5).tolist() == getattr(first, name).random(5).tolist()
    for ours, theirs in ((first.learner.tensors(), second.learner.tensors()), (first.best, second.best)):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())
    played(second, 9)  # the replay has to fill again
    assert second.learner.updates == first.learner.updates
    played(second, 1)
    assert second.learner.updates == first.learner.updates + 1


def test_scores_are_raw_and_returns_are_of_clipped_rewards() -> None:
    """Space Invaders gives 5 to 30 points an invader, and has three lives."""
    trainer, meter = Trainer("SpaceInvaders", dataclasses.replace(RANDOM, replay_size=1_600)), Meter()
    for _ in range(400):
        trainer.play(meter)
    assert trainer.progress.recent
    assert all(score == 0 or score >= 5 for score in trainer.progress.recent)
    batch = trainer.replay.sample(4_000, trainer.sampling)
    powers = [SMALL.gamma**k for k in range(SMALL.n_step)]
    assert powers[-1] * 0.99 < batch.returns.max() <= sum(powers)
    assert batch.returns.min() == 0
    assert set(batch.discounts.tolist()) == {0.0, float(torch.tensor(SMALL.gamma**SMALL.n_step))}


def test_losses_become_priorities() -> None:
    """By which each loss is weighed down: its transition is drawn more often."""
    trainer = played(Trainer("Pong", dataclasses.replace(SMALL, priority_exponent=1.0)), 200)
    batch = trainer.replay.sample(64, trainer.sampling)
    assert batch.weights.max() == 1
    assert len(set(batch.weights.tolist())) > 2
    uniform = played(Trainer("Pong", SMALL), 200)
    assert set(uniform.replay.sample(64, uniform.sampling).weights.tolist()) == {1.0}


def test_the_larger_body_learns_too() -> None:
    trainer = played(Trainer("Pong", dataclasses.replace(SMALL, body="nature", updates=2)), 12)
    assert trainer.learner.updates == trainer.progress.updates == 2 * 3
    assert trainer.result()[1]["body"] == "nature"


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / CHECKPOINT
    trainer = Trainer("Breakout", SMALL)
    trainer.save(path)
    tensors, state = read_tensors(path)
    for changed in (
        state | {"progress": {"epoch": 3}},
        state | {"progress": state["progress"] | {"step": -1}},
        state | {"progress": state["progress"] | {"recent": 3}},
        state | {"exploration": {}},
        {name: value for name, value in state.items() if name != "sampling"},
    ):
        write_tensors(path, tensors, changed)
        with pytest.raises(CheckpointError, match="Expected the state of a training"):
            trainer.restore(path)
    write_tensors(path, {"x": torch.ones(1)}, state)
    with pytest.raises(CheckpointError, match=r"Expected a tensor 'network\.f\.0\.weight'"):
        trainer.restore(path)


def test_the_best_network_is_that_of_the_best_window() -> None:
    trainer = Trainer("Breakout", RANDOM)
    history: list[tuple[float, dict[str, torch.Tensor]]] = []
    meter = Meter()
    for _ in range(300):
        games = trainer.progress.recent
        trainer.play(meter)
        if trainer.progress.recent != games and len(trainer.progress.recent) == SMALL.window:
            state = trainer.learner.network.state_dict()
            history.append((sum(trainer.progress.recent) / 2, {name: x.clone() for name, x in state.items()}))
        trainer.learn(meter)
    assert len({score for score, _ in history}) > 2
    score, weights = max(history, key=lambda found: found[0])  # the first of the best
    assert trainer.progress.best is not None
    assert trainer.progress.best["mean"] == score
    network, description = trainer.result()
    assert (description["score"], description["steps"]) == (trainer.progress.best, trainer.progress.best_step)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in network.state_dict().items())


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that nobody can catch")
def test_a_training_that_is_killed_goes_on(tmp_path: Path) -> None:
    """Checkpoints all the time, so that the kill is likely to meet one; then Ctrl-C, which ends cleanly."""
    code = (
        "import sys; sys.argv[1:1] = ['Breakout']; import runpy, functools, atari.training as t\n"
        "t.train = functools.partial(t.train, save_seconds=0.0, point_seconds=0.0)\n"
        f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    )
    command = [sys.executable, "-c", code, "--out", str(tmp_path), *OPTIONS]
    step = 0
    for number in (signal.SIGKILL, signal.SIGKILL, signal.SIGINT):
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"PYTHONPATH": str(SCRIPT.parent)},
        )
        deadline = time.monotonic() + 60
        while not (tmp_path / CHECKPOINT).exists() or progress_of(tmp_path)["step"] < step + 60:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(number)
        text = process.communicate(timeout=60)[0]
        assert process.returncode == (0 if number == signal.SIGINT else -signal.SIGKILL)
        now = progress_of(tmp_path)["step"]
        assert now >= step + 60
        step = now
    assert f"breakout after {read_export(tmp_path)[1]['steps']:,} steps" in text
    steps = [point["step"] for point in curve_of(tmp_path)]
    assert steps == list(range(4, step + 1, 4))  # no point is missing, and none is there twice


@pytest.fixture
def heeded_ctrl_c() -> Iterator[None]:
    """A shell starts its background jobs deaf to Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_it_is_time_to_stop_at_the_deadline_or_when_asked(tmp_path: Path, heeded_ctrl_c: None) -> None:
    trainer = Trainer("Pong", SMALL)
    with stopping(minutes=0.005) as stop:
        train(trainer, tmp_path, steps=10**9, stop=stop)
    assert 0 < progress_of(tmp_path)["step"] == trainer.progress.step < 10**5
    usual = signal.getsignal(signal.SIGINT)
    with stopping(minutes=60) as stop:
        assert not stop()
        signal.raise_signal(signal.SIGINT)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is usual


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"body": "vgg"}, "Expected body to be one of nips2013, nature, ram. Found 'vgg'"),
        ({"num_envs": 0}, "Expected num_envs to be a positive number"),
        ({"replay_size": 30}, "Expected replay_size to be at least 56"),
        ({"learning_starts": 200_000}, "Expected learning_starts to be from 56 to"),
        ({"num_envs": 7, "learning_starts": 100_000}, "what the replay holds, 99995"),
        ({"learning_rate": float("nan")}, "Expected learning_rate to be a positive number. Found nan"),
        ({"seed": -1}, "Expected seed to be"),
    ],
)
def test_settings_that_cannot_work_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message.replace(".", r"\.")):
        Settings(**change)
