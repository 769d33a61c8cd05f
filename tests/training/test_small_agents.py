"""The scripts that train the agents of the package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dqn2snn import load_q_network


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "package", "arguments"),
    [
        ("train_sb3.py", "stable_baselines3", ["CartPole-v1", "--total-timesteps", "1200"]),
        ("train_minatar.py", "minatar", ["breakout", "--total-steps", "4096", "--eval-episodes", "3"]),
    ],
)
def test_examples_train_and_save(script: str, package: str, arguments: list[str], tmp_path: Path) -> None:
    pytest.importorskip(package)
    path = Path(__file__).parents[2] / "examples" / script
    command = [sys.executable, str(path), *arguments, "--out", str(tmp_path / "run")]
    for _ in range(2):  # the second time over what the first one left
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        agent = load_q_network(tmp_path / "run" / "agent")
        assert agent.config["training"]["total_steps"] == int(arguments[2])
        assert len((tmp_path / "run" / "curve.jsonl").read_text().splitlines()) == 1
