"""The commands on checkpoints of other libraries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from dqn2snn import load_q_network
from dqn2snn.cli import main
from tests.io.checkpoints.sb3_zip import sb3_zip

SMALL = ["--observations", "100", "--steps", "8"]
FRESH = ["--test-observations", "100", "--test-episodes", "2"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The CartPole agent of the zoo, as Stable-Baselines3 would have saved it."""
    path = tmp_path / "model.zip"
    path.write_bytes(sb3_zip(load_q_network("cartpole")))
    return path


def run_json(capsys: pytest.CaptureFixture[str], *argv: object) -> tuple[dict[str, Any], str]:
    """Standard output, which is JSON, and standard error."""
    status = main([*map(str, argv), "--json"])
    captured = capsys.readouterr()
    assert status == 0, captured.err
    return json.loads(captured.out), captured.err


def test_agree_measures_a_zip_as_it_measures_the_agent(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, told = run_json(capsys, "agree", model, "--env", "CartPole-v1", *SMALL, *FRESH)
    agent, silent = run_json(capsys, "agree", "cartpole", *SMALL, *FRESH)
    assert told == f"dqn2snn: {model}: Stable-Baselines3 2.9.2, read by the rule 'sb3'\n"
    assert silent == ""
    assert data | {"agent": "cartpole"} == agent
    assert (data["agent"], data["env_id"]) == ("model", "CartPole-v1")


def test_the_other_commands_take_the_zip_too(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    named = [model, "--env", "CartPole-v1"]
    converted, _ = run_json(capsys, "convert", *named, *SMALL)
    assert converted["output"] == "model.safetensors"
    played, _ = run_json(
        capsys, "evaluate", *named, "--plan", "model.safetensors", "--episodes", 1, "--max-episode-steps", 20
    )
    assert played["env_id"] == "CartPole-v1"
    diagnosed, _ = run_json(capsys, "diagnose", *named, "--plan", "model.safetensors", *FRESH[:2])
    suggested, _ = run_json(capsys, "suggest", *named, "--observations", 100)
    assert diagnosed["agent"] == suggested["agent"] == "model"


def test_the_name_of_a_file_spares_the_environment(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named = model.rename(model.with_name("dqn-CartPole-v1.zip"))
    data, _ = run_json(capsys, "suggest", named, "--observations", 100)
    assert data["env_id"] == "CartPole-v1"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "Expected --env ID. Found none"),
        (["--env", "Acrobot-v1"], "Expected observations of shape (4,)"),
        (["--env", "Chess-v1"], "Expected the id of a registered gymnasium environment"),
        (["--env", "CartPole-v1", "--preset", "sb3"], "no Atari preprocessing in CartPole-v1"),
    ],
)
def test_what_does_not_fit_is_one_line_and_exit_code_2(
    argv: list[str], message: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["agree", str(model), *argv]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert message in line


def test_an_environment_that_contradicts_the_name_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "Acrobot-v1.pt"
    torch.save(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).state_dict(), path)
    assert main(["agree", str(path)]) == 2
    assert "Expected observations of shape (4,)" in capsys.readouterr().err


def test_a_malicious_file_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.zip").write_bytes(b"\x80\x02cposix\nsystem\nX\x02\0\0\0ls\x85R.")
    assert main(["agree", str(tmp_path / "model.zip"), "--env", "CartPole-v1"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "Found a bare pickle" in line


def test_an_agent_of_the_zoo_in_another_environment_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agree", "cartpole", "--env", "Acrobot-v1"]) == 2
    assert "Expected observations of shape (4,)" in capsys.readouterr().err
