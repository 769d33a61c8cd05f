"""Time a new user's three ways from a trained network to its agreement table, each in a process of its own.

    python docs/measure.py checkpoints --output docs/results/checkpoints.json
    python docs/measure.py fill checkpoints

A DQN of Stable-Baselines3 learns CartPole for some seconds and is saved as users save it. The same weights make the
file that CleanRL's script would save, and the state dict of a module of one's own. What is timed includes the start of
Python and the import of torch; the least of several runs is kept, in seconds of the clock and of CPU time. Needs the
extras `gym` and `sb3`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from measuring.machine import machine, versions

ENV = "CartPole-v1"
WAYS = {
    "Stable-Baselines3": "dqn2snn agree model.zip --env CartPole-v1",
    "CleanRL": "dqn2snn agree dqn.cleanrl_model --env CartPole-v1",
    "your own module": "python five_lines.py",
}
FIVE_LINES = """\
import dqn2snn
from dqn2snn.play.study import fresh_rollout, study_agreement

observations = dqn2snn.collect_observations(network, 5_000, env="CartPole-v1")
snn = dqn2snn.convert(network, observations)
print(study_agreement(snn, fresh_rollout(network, 2_000, env="CartPole-v1")))
"""
"""What a user writes below a network that is there."""

OWN = """\
import torch
from torch import nn

network = nn.Sequential(nn.Linear(4, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 2))
network.load_state_dict(torch.load("dqn.pt", weights_only=True))
"""


def main(argv: Sequence[str]) -> None:
    """Train, save, time, and write what was measured.

    Args:
        argv: The arguments.
    """
    parser = argparse.ArgumentParser(
        prog="python docs/measure.py checkpoints",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="JSON to write")
    parser.add_argument("--steps", type=int, default=5_000, help="environment steps of the training (5000)")
    parser.add_argument(
        "--repeats", type=int, default=2, help="runs of each way, of which the least counts (2)"
    )
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        save_all(Path(folder), args.steps)
        seconds = {name: fastest(line, Path(folder), args.repeats) for name, line in WAYS.items()}
    result = {
        "ways": [
            {"name": name, "command": WAYS[name], "seconds": round(wall, 1), "cpu_seconds": round(cpu, 1)}
            for name, (wall, cpu) in seconds.items()
        ],
        "five_lines": FIVE_LINES,
        "env_id": ENV,
        "training_steps": args.steps,
        "repeats": args.repeats,
        "machine": machine(),
        "versions": versions(["stable-baselines3", "gymnasium", "snntorch"]),
    }
    args.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def save_all(folder: Path, steps: int) -> None:
    """One trained network in three files.

    Args:
        folder: Where to write.
        steps: Environment steps of the training.
    """
    from stable_baselines3 import DQN  # an extra that not everybody who collects doctests has

    torch.set_num_threads(1)  # small layers only wait for each other's threads
    model = DQN(
        "MlpPolicy", ENV, policy_kwargs={"net_arch": [120, 84]}, learning_rate=2.3e-3, batch_size=64,
        learning_starts=1_000, gamma=0.99, target_update_interval=10, train_freq=256, gradient_steps=128,
        exploration_fraction=0.16, exploration_final_eps=0.04, seed=0, device="cpu",
    )  # fmt: skip
    model.learn(steps)
    model.save(folder / "model.zip")
    layers: nn.Sequential = model.q_net.q_net
    torch.save(
        {f"network.{name}": x for name, x in layers.state_dict().items()}, folder / "dqn.cleanrl_model"
    )
    torch.save(layers.state_dict(), folder / "dqn.pt")
    (folder / "five_lines.py").write_text(OWN + FIVE_LINES)


def fastest(line: str, folder: Path, repeats: int) -> tuple[float, float]:
    """Run a command line several times.

    Args:
        line: The command.
        folder: Where to run it.
        repeats: How often.

    Returns:
        Seconds that passed, and seconds of CPU time, the least of each.
    """
    program, *rest = line.split()
    start = [sys.executable] if program == "python" else [sys.executable, "-m", "dqn2snn.cli"]
    walls, cpus = [], []
    for _ in range(repeats):
        begin, before = time.perf_counter(), os.times()
        subprocess.run([*start, *rest], cwd=folder, check=True, capture_output=True)
        after = os.times()
        walls.append(time.perf_counter() - begin)
        cpus.append(sum(after[2:4]) - sum(before[2:4]))  # of children
    return min(walls), min(cpus)
