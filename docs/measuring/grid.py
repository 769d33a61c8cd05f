"""Measure what the grid costs: agreement of plans on their grid and in raw numbers, over the number of steps.

    python docs/measure.py grid --output docs/results/grid.json
    python docs/measure.py fill grid

The longer a run, the coarser the grid on which its sums are exact. Agents of the zoo are converted on the finest grid
and without one, from the same observations, and agreement with the DQN is counted on the same states of other games,
with its 95 % interval over games. Needs the extra `atari`, and a clone of the repository for the Atari agents.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

import dqn2snn
from dqn2snn.play.collect import Rollout
from dqn2snn.play.study import fresh_rollout, study_agreement
from measuring.machine import versions

AGENTS = ("RoadRunner", "Krull", "minatar-breakout")
RECIPES = ("tan2021", "rate")
STEPS = (16, 64, 250, 500, 1000)
CALIBRATION = 4_000


def main(argv: Sequence[str]) -> None:
    """Convert, measure and write.

    Args:
        argv: The arguments.
    """
    parser = argparse.ArgumentParser(
        prog="python docs/measure.py grid",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="JSON to write")
    parser.add_argument("--agents", nargs="+", default=AGENTS, metavar="NAME", help="of the zoo")
    parser.add_argument("--recipes", nargs="+", default=RECIPES, metavar="NAME", help="of conversion")
    parser.add_argument("--steps", nargs="+", type=int, default=STEPS, metavar="T", help="of a decision")
    parser.add_argument("--observations", type=int, default=1_000, help="to test (1000)")
    args = parser.parse_args(argv)
    if not args.output.parent.is_dir():  # before the work rather than after it
        parser.error(f"Expected --output in a directory that is there. Found none at {args.output.parent}.")
    torch.set_num_threads(1)
    wanted = list(product(args.agents, args.recipes, args.steps))
    states = {name: _states(name, args.observations) for name in args.agents}
    rows = [
        _row(name, recipe, steps, *states[name])
        for name, recipe, steps in tqdm(wanted, desc="conversions", unit="conversion")
    ]
    result = {"observations": args.observations, "versions": versions(["dqn2snn"]), "rows": rows}
    args.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _states(name: str, count: int) -> tuple[Tensor, Rollout]:
    """What an agent is calibrated on, and what it is tested on."""
    dqn = dqn2snn.load_q_network(name)
    seen = dqn2snn.collect_observations(dqn, CALIBRATION, seed=0)
    return seen, fresh_rollout(dqn, count)


def _row(name: str, recipe: str, steps: int, seen: Tensor, fresh: Rollout) -> dict[str, Any]:
    on_grid, raw = (
        dqn2snn.convert(dqn2snn.load_q_network(name), seen, recipe=recipe, num_steps=steps, grid=grid)
        for grid in ("auto", None)
    )
    least = min(
        float((layer.threshold.min() * 2.0 ** (layer.fraction_bits or 0)).log2())
        for layer in on_grid.plan.all_layers
    )
    return {
        "agent": name,
        "recipe": recipe,
        "steps": steps,
        "threshold_bits": least,
        "on_grid": _agreement(on_grid, fresh),
        "raw": _agreement(raw, fresh),
    }


def _agreement(snn: dqn2snn.SpikingQNetwork, fresh: Rollout) -> dict[str, float]:
    """With the DQN after the last step, clustered by game."""
    last = study_agreement(snn, fresh, num_steps=(snn.plan.num_steps,), progress=False).curve.robust[-1]
    return {"mean": last.mean, "low": last.low, "high": last.high}
