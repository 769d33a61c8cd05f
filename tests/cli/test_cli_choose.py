"""The commands that choose and diagnose say what the library says."""

from __future__ import annotations

from pathlib import Path

import pytest

import dqn2snn
from dqn2snn.analysis.diagnosis import diagnose
from dqn2snn.analysis.suggestion import suggest
from dqn2snn.cli import main
from dqn2snn.plan.file import load_plan
from dqn2snn.play.study import fresh_rollout
from dqn2snn.recipes import Recipe
from tests.cli.test_cli import run_json

SMALL = ["--observations", "300"]
AGENT = dqn2snn.load_q_network("acrobot")


def test_suggest_gives_what_the_library_gives(capsys: pytest.CaptureFixture[str]) -> None:
    data = run_json(capsys, "suggest", "acrobot", *SMALL, "--target-agreement", 0.9)
    observations = dqn2snn.collect_observations(AGENT, 300, seed=0)
    expected = suggest(AGENT, observations, 0.9)
    assert (data["agent"], data["best"]["recipe"]) == ("acrobot", str(expected.best.recipe))
    assert data["command"] == f"dqn2snn convert acrobot {expected.best.arguments}"
    assert main(["suggest", "acrobot", *SMALL, "--target-agreement", "0.9"]) == 0
    assert capsys.readouterr().out.endswith(f"\n{data['command']}\n")


def test_a_shell_can_follow_what_suggest_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = run_json(capsys, "suggest", "acrobot", *SMALL, "--target-agreement", 0.9)
    plan = tmp_path / "plan.safetensors"
    _, *command = data["command"].split()
    assert main([*command, *map(str, SMALL), "-o", str(plan)]) == 0
    made, best = load_plan(plan), data["best"]
    assert Recipe(best["recipe"]).with_default_steps(made.num_steps) == Recipe(made.recipe)
    assert made.num_steps == best["num_steps"]


def test_a_sweep_prints_prediction_beside_measurement(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "sweep.png"
    options = ["--sweep", "--steps", 8, *SMALL, "--test-observations", 200, "--test-episodes", 4]
    data = run_json(capsys, "agree", "acrobot", *options, "--plot", picture)
    sweep = data["sweep"]
    assert sweep["num_steps"] == [1, 2, 4, 8]
    assert abs(sweep["predicted"][-1]["mean"] - sweep["measured"][-1]["mean"]) < 0.05
    assert picture.read_bytes()[:4] == b"\x89PNG"
    plan = tmp_path / "plan.safetensors"
    assert main(["convert", "acrobot", *SMALL, "--num-steps", "8", "-o", str(plan)]) == 0
    alike = run_json(capsys_cleared(capsys), "agree", "acrobot", "--plan", plan, "--sweep", *options[5:])
    assert alike["sweep"]["measured"][-1] == sweep["measured"][-1]


def test_diagnose_gives_what_the_library_gives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, picture = tmp_path / "plan.safetensors", tmp_path / "shares.png"
    assert (
        main(["convert", "acrobot", *SMALL, "--num-steps", "4", "--recipe", "rate+none", "-o", str(plan)])
        == 0
    )
    options = ["--plan", plan, "--test-observations", 100, "--plot", picture]
    data = run_json(capsys_cleared(capsys), "diagnose", "acrobot", *options)
    rollout = fresh_rollout(AGENT, 100, seed=0)
    snn = dqn2snn.SpikingQNetwork(load_plan(plan))
    expected = diagnose(AGENT, snn, rollout.observations, episode_ids=rollout.episode_ids)
    assert data["advice"] == expected.advice
    assert data["agreement"]["mean"] == expected.agreement.mean
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_levels_are_diagnosed_in_the_order_of_play(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--recipe", "sigma_delta", *SMALL, "--test-observations", "60"]
    assert main(["diagnose", "acrobot", *options]) == 0
    assert "sigma_delta, 4 steps" in capsys.readouterr().out


def test_convert_finds_the_number_of_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = tmp_path / "plan.safetensors"
    assert main(["convert", "acrobot", *SMALL, "--target-agreement", "0.9", "-o", str(plan)]) == 0
    text = capsys.readouterr().out
    report = load_plan(plan).report
    assert report["target_agreement"] == 0.9
    assert "On 60 held-out observations, for 0.9:" in text
    assert all(f"\n{trial['num_steps']} " in text for trial in report["tried"])


def capsys_cleared(capsys: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    """What was printed so far is of no interest."""
    capsys.readouterr()
    return capsys
