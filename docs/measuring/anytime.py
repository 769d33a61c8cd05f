"""How many steps anytime decisions save, and how often they err, on the shipped agents.

    pip install "dqn2snn[gym,plot]"
    python docs/measure.py anytime --output docs/results

Each agent is converted at T = 500 and simulated once on 2000 fresh observations; every margin is then a reading of the
same record. Writes anytime.json and anytime.png. Takes a few minutes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

import dqn2snn
from dqn2snn.engine.decide import EVERY, MARGIN, decide
from dqn2snn.metrics import regret
from dqn2snn.metrics.confidence import proportion_interval
from dqn2snn.play.study import fresh_rollout

MARGINS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
NUM_STEPS, CALIBRATION, FRESH = 500, 5_000, 2_000
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def measure(name: str) -> dict[str, Any]:
    """All margins on one agent."""
    dqn = dqn2snn.load_q_network(name)
    seen = dqn2snn.collect_observations(dqn, CALIBRATION, seed=0)
    snn = dqn2snn.convert(dqn, seen, recipe="tan2021", num_steps=NUM_STEPS)
    fresh = fresh_rollout(dqn, FRESH)
    record = snn.record(fresh.observations)
    episodes = torch.as_tensor(fresh.episode_ids)
    final = record.q[-1].argmax(dim=1)

    def agreement(actions: Tensor, others: Tensor) -> dict[str, Any]:
        return asdict(proportion_interval(actions == others, clusters=episodes))

    margins = []
    for margin in MARGINS:
        decision = decide(snn.plan, record, margin)
        steps = decision.steps.double()
        fixed = record.q[max(1, round(float(steps.mean()))) - 1]  # as many steps, the same for all
        margins.append(
            {
                "margin": margin,
                "mean_steps": float(steps.mean()),
                "quantiles": dict(zip(map(str, QUANTILES), quantiles(steps), strict=True)),
                "same_as_all_steps": agreement(decision.actions, final),
                "same_as_dqn": agreement(decision.actions, fresh.q.argmax(dim=1)),
                "relative_regret": regret(fresh.q, decision.q, relative=True),
                "fixed_steps": {
                    "same_as_all_steps": agreement(fixed.argmax(dim=1), final),
                    "same_as_dqn": agreement(fixed.argmax(dim=1), fresh.q.argmax(dim=1)),
                    "relative_regret": regret(fresh.q, fixed, relative=True),
                },
            }
        )
    return {
        "observations": len(fresh.observations),
        "episodes": len(episodes.unique()),
        "all_steps": {
            "same_as_dqn": agreement(final, fresh.q.argmax(dim=1)),
            "relative_regret": regret(fresh.q, record.q[-1], relative=True),
        },
        "margins": margins,
    }


def quantiles(steps: Tensor) -> list[float]:
    """Of the steps of all decisions."""
    return [float(value) for value in torch.quantile(steps, steps.new_tensor(QUANTILES))]


def table(agents: dict[str, Any], margins: tuple[float, ...] = (0.5, 1.0, 2.0, 3.0)) -> str:
    """Mean steps and the share of actions that all steps would have chosen too, in Markdown."""
    lines = [
        "| agent | " + " | ".join(f"margin {margin:g}" for margin in margins) + " |",
        "| --- |" + " ---: |" * len(margins),
    ]
    for name, agent in agents.items():
        rows = {row["margin"]: row for row in agent["margins"]}
        cells = [
            f"{rows[m]['mean_steps']:.0f} steps, {100 * rows[m]['same_as_all_steps']['mean']:.2f} %"
            for m in margins
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(agents: dict[str, Any], path: Path) -> None:
    """Disagreement with the action after all steps, over mean steps: settled, and as many steps for all."""
    figure = Figure(figsize=(12.4, 5.4), dpi=110, layout="constrained")
    panels = list(figure.subplots(2, 4, sharex=True, sharey=True).flat)
    for panel in panels[len(agents) :]:
        panel.remove()
    for i, (panel, (name, agent)) in enumerate(zip(panels, agents.items(), strict=False)):
        rows = agent["margins"]
        steps = [row["mean_steps"] for row in rows]
        floor = 0.5 / agent["observations"]  # none of them, on a logarithmic axis
        for key, label, style in ((None, "settled", "o-"), ("fixed_steps", "as many steps for all", "s--")):
            shares = [(row[key] if key else row)["same_as_all_steps"]["mean"] for row in rows]
            panel.plot(steps, [max(floor, 1 - share) for share in shares], style, markersize=4, label=label)
        for row in rows:
            if row["margin"] == MARGIN:
                panel.axvline(row["mean_steps"], color="#999999", linewidth=0.8, label=f"margin {MARGIN:g}")
        panel.set(title=name, xscale="log", yscale="log")
        panel.set_xticks([4, 16, 64, 256], ["4", "16", "64", "256"], minor=False)
        panel.set_yticks([floor, 0.001, 0.01, 0.1, 1], ["none", "0.1 %", "1 %", "10 %", "100 %"])
        panel.minorticks_off()
        panel.spines[["top", "right"]].set_visible(False)
        panel.label_outer()
        if i + 4 >= len(agents):
            panel.tick_params(labelbottom=True)
            panel.set_xlabel("mean steps of a decision")
    figure.supylabel("another action than after 500 steps", fontsize="medium")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(path)


def main(argv: Sequence[str]) -> None:
    """Measure, write and draw.

    Args:
        argv: The arguments.
    """
    parser = argparse.ArgumentParser(prog="python docs/measure.py anytime", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path())
    parser.add_argument("--agents", nargs="+", default=dqn2snn.zoo.names())
    args = parser.parse_args(argv)
    agents = {name: measure(name) for name in args.agents}
    data = {"num_steps": NUM_STEPS, "every": EVERY, "agents": agents}
    (args.output / "anytime.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    draw(agents, args.output / "anytime.png")
    print(table(agents))  # for docs/explanation/anytime.md
