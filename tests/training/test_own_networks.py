"""The examples that train spiking networks of one's own, in snnTorch and in Norse, with few updates."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("library", ["snntorch", "norse"])
def test_a_network_learns_to_decide_as_its_teacher(library: str) -> None:
    pytest.importorskip(library)
    script = Path(__file__).parents[2] / "examples" / f"train_{library}.py"
    arguments = ["--observations", "1000", "--updates", "300", "--episodes", "2"]
    command = [sys.executable, str(script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {
        name: float(number) for name, number in re.findall(r"^(.+): ([\d.]+)$", done.stdout, re.MULTILINE)
    }
    assert found["agreement before"] < 0.6  # two actions, so chance is a half
    assert found["agreement"] > 0.7
    assert found["return"] > 60  # a random policy balances the pole for about 20 steps
    assert "train: 100%" in done.stderr
