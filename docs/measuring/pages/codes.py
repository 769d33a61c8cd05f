"""The tables and the picture of docs/explanation/codes.md.

python docs/measure.py codes --output docs/results/codes.json
python docs/measure.py fill codes
"""

from __future__ import annotations

import json
from math import exp, log
from pathlib import Path
from statistics import mean
from typing import Any

from dqn2snn._utils.table import as_markdown
from measuring.places import DOCS, RESULTS, filled_pages

PAGE = DOCS / "explanation" / "codes.md"
PICTURE = RESULTS / "codes.svg"

STYLES = {
    "digits": ("#D55E00", "-"),
    "digits:max_spikes=1": ("#CC79A7", "-"),
    "burst:max_spikes=3": ("#009E73", "--"),
    "rate": ("#0072B2", "-"),
    "rate_if+none": ("#56B4E9", "--"),
    "leaky:beta=0.95": ("#E69F00", "-."),
    "leaky:beta=0.9": ("#8C6D1F", "-."),
    "tan2021": ("#22313F", ":"),
}
"""Colour and dash of each recipe."""

TICKS = (4, 8, 16, 32, 64, 128, 256, 500)

Row = dict[str, Any]


def kept_rows() -> list[Row]:
    """The raw results."""
    rows: list[Row] = json.loads((RESULTS / "codes.json").read_text(encoding="utf-8"))["rows"]
    return rows


def tables() -> dict[str, str]:
    """A row for each recipe and number of steps, and one for each agent and the recipe `digits`."""
    rows = kept_rows()
    return {"codes": _overall(rows), "agents": _by_agent(rows)}


def _overall(rows: list[Row]) -> str:
    lines = []
    for recipe in STYLES:
        for steps in sorted({row["num_steps"] for row in rows if row["recipe"] == recipe}):
            found = [row for row in rows if (row["recipe"], row["num_steps"]) == (recipe, steps)]
            shares = [100 * row["agreement"]["mean"] for row in found]
            lines.append(
                [
                    f"`{recipe}`",
                    found[0]["spikes_kind"],
                    str(steps),
                    f"{mean(shares):.2f}",
                    f"{min(shares):.1f}",
                    f"{_geometric(row['error'] for row in found):.2g}",
                    f"{mean(row['spikes'] for row in found):.2f}",
                ]
            )
    header = [
        "recipe",
        "spikes",
        "T",
        "same action %, mean",
        "worst agent",
        "error / gap",
        "spikes per neuron",
    ]
    return as_markdown(header, lines, left=2)


def _by_agent(rows: list[Row]) -> str:
    wanted = [
        ("digits", 6),
        ("digits", 8),
        ("digits", 10),
        ("digits:max_spikes=1", 16),
        ("digits:max_spikes=1", 19),
    ]
    wanted += [("rate", 64), ("tan2021", 500)]
    kept = {(row["agent"], row["recipe"], row["num_steps"]): row for row in rows}
    lines = [
        [
            agent,
            *(
                _interval(kept[(agent, *each)]["agreement"]) if (agent, *each) in kept else ""
                for each in wanted
            ),
        ]
        for agent in dict.fromkeys(row["agent"] for row in rows)
    ]
    return as_markdown(["agent", *(f"`{recipe}`, {steps}" for recipe, steps in wanted)], lines)


def _interval(found: dict[str, float]) -> str:
    return f"{100 * found['mean']:.1f} [{100 * found['low']:.1f}, {100 * found['high']:.1f}]"


def _geometric(values: Any) -> float:
    logs = [log(value) for value in values]
    return exp(mean(logs))


def pages() -> dict[Path, str]:
    """What the pages have to be."""
    return filled_pages({PAGE: tables()})


def draw() -> None:
    """Draw the error of Q-values over the number of steps, both on logarithmic scales."""
    import matplotlib as mpl

    from dqn2snn.plot._style import new_figure, plain_frame

    rows = kept_rows()
    with mpl.rc_context({"svg.hashsalt": "dqn2snn", "font.size": 9}):
        figure = new_figure(6.4, 3.8)
        axes = figure.subplots()
        for recipe, (colour, dash) in STYLES.items():
            found = [row for row in rows if row["recipe"] == recipe]
            steps = sorted({row["num_steps"] for row in found})
            errors = [_geometric(row["error"] for row in found if row["num_steps"] == step) for step in steps]
            axes.plot(steps, errors, dash, color=colour, marker="o", markersize=4, label=recipe)
        axes.set(xscale="log", yscale="log", xlabel="time steps T, delays included")
        axes.set_ylabel("error of Q-values / gap of the two best")
        axes.set_xticks(TICKS, [str(tick) for tick in TICKS])
        axes.minorticks_off()
        plain_frame(axes)
        axes.legend(frameon=False, fontsize="small")
        figure.savefig(PICTURE, metadata={"Date": None})
