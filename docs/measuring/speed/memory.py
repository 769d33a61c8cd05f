"""How much memory a simulation takes at its peak, measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from dqn2snn.plan.file import load_plan, save_plan
from measuring.speed.workloads import Workload

if TYPE_CHECKING:
    from measuring.speed.peers import Contestant

__all__ = ["peak_memory"]

_TIMEOUT = 120.0
_ROOM = Path(__file__).resolve().parents[2]
"""From where a process finds this module by its name."""


def peak_memory(workload: Workload, contestant: Contestant, num_steps: int, batch: int) -> dict[str, Any]:
    """The peak of one simulation in a process of its own.

    Args:
        workload: The network.
        contestant: Who simulates it.
        num_steps: T.
        batch: B.

    Returns:
        dict[str, Any]: "mebibytes" of the peak beyond what was in use after a simulation of one step of one
        observation; or "skipped", and why.
    """
    with TemporaryDirectory() as folder:
        plan, observations = Path(folder) / "plan", Path(folder) / "observations"
        save_plan(workload.plan, plan)
        save_file({"observations": workload.batch(batch)}, observations)
        command = [
            sys.executable,
            "-m",
            __name__,
            contestant.name,
            str(plan),
            str(observations),
            str(num_steps),
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, cwd=_ROOM)
        except subprocess.TimeoutExpired:
            return {"skipped": f"took more than {_TIMEOUT:g} s"}
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        return {"skipped": f"failed with status {done.returncode}: {lines[-1] if lines else 'no message'}"}
    return {"mebibytes": json.loads(done.stdout.splitlines()[-1])}


def _measure(name: str, plan_file: str, observations_file: str, num_steps: int) -> float:
    from measuring.speed.peers import CONTESTANTS

    torch.set_num_threads(1)
    plan, observations = load_plan(plan_file), load_file(observations_file)["observations"]
    contestant = next(contestant for contestant in CONTESTANTS if contestant.name == name)
    simulation = contestant.make(plan, torch.nn.Identity())
    simulation.q(observations[:1], 1)
    before = _reset_peak()
    simulation.q(observations, num_steps)
    return round((_peak() - before) / 2**20, 1)


def _reset_peak() -> int:
    """Bytes in use, from which the peak starts anew where the system allows it; elsewhere the peak so far."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _peak()


def _peak() -> int:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import resource  # not on Windows

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    sys.stdout.write(f"{json.dumps(_measure(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))}\n")
