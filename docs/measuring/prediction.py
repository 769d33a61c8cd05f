"""How well agreement is predicted without simulation, on the shipped agents.

    pip install "dqn2snn[gym]"
    python docs/measure.py prediction --output docs/results

Each agent is converted by several recipes, for which one backward pass predicts agreement after T steps, and then
simulated on the same 1000 fresh observations of 20 episodes. No corrections are made. Writes prediction.json and prints
both agreements and a summary. Takes a few minutes.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dqn2snn
from dqn2snn.analysis.suggestion import sweep_agreement
from dqn2snn.play.study import fresh_rollout
from dqn2snn.recipes import Recipe

CALIBRATION, FRESH = 5_000, 1_000
DOUBLING = (1, 2, 4, 8, 16, 32, 64, 128)
RULES: dict[str, tuple[str, tuple[int, ...]]] = {
    "rate, mean rate": ("rate:threshold=max:readout=rate+none", DOUBLING),
    "rate, slope": ("rate:threshold=max+none", DOUBLING),
    "rate, slope, auto": ("rate+none", DOUBLING),
    "rate_if, slope": ("rate_if:threshold=max+none", DOUBLING),
    "burst k=8, slope": ("burst:threshold=max+none", (1, 2, 4, 8, 16)),
    "tan2021": ("tan2021", (*DOUBLING[3:], 500)),
}


def measure(name: str) -> dict[str, Any]:
    """Predicted and measured agreement of one agent, by rule."""
    dqn = dqn2snn.load_q_network(name)
    seen = dqn2snn.collect_observations(dqn, CALIBRATION, seed=0)
    fresh = fresh_rollout(dqn, FRESH)
    graph = dqn2snn.trace(dqn, tuple(seen.shape[1:]))
    stats = dqn2snn.calibrate(graph, seen, (99.9, 99.99))
    found = {}
    for rule, (text, steps) in RULES.items():
        recipe = Recipe(text)

        def make(num_steps: int, recipe: Recipe = recipe) -> dqn2snn.SpikingQNetwork:
            return dqn2snn.SpikingQNetwork(recipe.plan(graph, stats, seen, num_steps=num_steps))

        sweep = sweep_agreement(make, fresh.observations, fresh.q, steps, episode_ids=fresh.episode_ids)
        found[rule] = sweep.to_dict()
        print(f"{name}, {rule}\n{sweep}\n", flush=True)
    return found


def summary(agents: dict[str, Any]) -> list[dict[str, Any]]:
    """For each rule and T: root mean square error, cells within 3 points, and cells inside the stated interval."""
    rows = []
    for rule, (_, steps) in RULES.items():
        for index, num_steps in enumerate(steps):
            cells = [
                (found[rule]["predicted"][index], found[rule]["measured"][index]) for found in agents.values()
            ]
            off = [guess["mean"] - seen["mean"] for guess, seen in cells]
            rows.append(
                {
                    "rule": rule,
                    "num_steps": num_steps,
                    "root_mean_square": math.sqrt(sum(error**2 for error in off) / len(off)),
                    "within_3_points": sum(abs(error) <= 0.03 for error in off),
                    "inside_interval": sum(g["low"] <= s["mean"] <= g["high"] for g, s in cells),
                    "cells": len(off),
                }
            )
    return rows


def markdown(rows: list[dict[str, Any]]) -> str:
    """The summary as a table: root mean square error in points, and cells within 3 points."""
    steps = sorted({row["num_steps"] for row in rows})
    cell = {
        (
            row["rule"],
            row["num_steps"],
        ): f"{100 * row['root_mean_square']:.1f} ({row['within_3_points']}/{row['cells']})"
        for row in rows
    }
    lines = [["rule", *(f"T = {t}" for t in steps)], ["---", *("---:" for _ in steps)]]
    lines += [[rule, *(cell.get((rule, t), "") for t in steps)] for rule in RULES]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(argv: Sequence[str]) -> None:
    """Measure and write.

    Args:
        argv: The arguments.
    """
    parser = argparse.ArgumentParser(prog="python docs/measure.py prediction", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path())
    folder = parser.parse_args(argv).output
    agents = {name: measure(name) for name in dqn2snn.zoo.names()}
    rows = summary(agents)
    (folder / "prediction.json").write_text(json.dumps({"summary": rows, "agents": agents}, indent=1) + "\n")
    print(markdown(rows))
