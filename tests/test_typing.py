"""A user who type-checks strictly can do so with dqn2snn, whose types are part of its interface."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import dqn2snn
from dqn2snn.errors import UnsupportedModuleError
from dqn2snn.dynamics.readout import RobustRate

agent = dqn2snn.load_q_network("cartpole")
network: nn.Module = agent
observations: torch.Tensor = dqn2snn.collect_observations(network, 100, env=agent.env_id, seed=0)

snn = dqn2snn.convert(network, observations, recipe="tan2021", num_steps=32, backend="snntorch")
q: torch.Tensor = snn(observations)
actions: NDArray[np.int64] = snn.predict(observations)[0]
summary: str = snn.summary()

record: dqn2snn.Record = snn.record(observations, spikes=True)
curve = dqn2snn.agreement_curve(record, q)
low: float = curve.robust[-1].low
agreement: float = dqn2snn.action_agreement(q, record.q[-1])

dqn2snn.save_plan(snn.plan, "plan.safetensors")
plan: dqn2snn.SpikingPlan = dqn2snn.load_plan("plan.safetensors")
readout = RobustRate(scale=plan.readout_scale)

try:
    dqn2snn.trace(nn.Tanh(), (4,))
except UnsupportedModuleError as error:
    message: str = str(error)
"""


@pytest.mark.slow
def test_a_strict_user_script_has_no_type_errors_and_a_wrong_one_has(tmp_path: Path) -> None:
    wrong = SCRIPT.replace("num_steps=32, backend", "engine=3, num_steps=32, backend").replace(
        "num_steps=32", 'num_steps="32"'
    )
    (tmp_path / "right.py").write_text(SCRIPT, encoding="utf-8")
    (tmp_path / "wrong.py").write_text(wrong, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "right.py", "wrong.py"]
    report = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    *errors, summary = report.splitlines()
    assert [error.split(":")[0] for error in errors] == ["wrong.py", "wrong.py"], report
    assert '"engine"' in report
    assert '"num_steps"' in report
    assert "2 errors in 1 file (checked 2 source files)" in summary
