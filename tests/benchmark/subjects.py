"""What the tests of the benchmark play, and a process that plays it, which imports little more than it needs."""

from __future__ import annotations

from pathlib import Path

from dqn2snn.benchmark import Conditions, Settings, run

CONDITIONS = Conditions(calibration=200, max_episode_steps=12)

SMALL = Settings(
    agents=("cartpole",),
    recipes=("rate", "sigma_delta"),
    num_steps=(2,),
    seeds=(0, 1),
    episodes=3,
    conditions=CONDITIONS,
)

LONG = Settings(
    agents=("cartpole",),
    recipes=("rate", "sigma_delta"),
    num_steps=(2, 4),
    episodes=24,
    conditions=CONDITIONS,
)


def work(directory: Path) -> None:
    run(LONG, directory, progress=False)
