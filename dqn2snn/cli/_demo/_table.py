"""The one table of the demonstration, drawn from `results.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dqn2snn._utils.table import as_markdown, format_table
from dqn2snn.metrics.confidence import Interval

HEADER = (
    "agent",
    "T",
    "episodes",
    "DQN, mean return",
    "SNN, mean return",
    "same action, robust rate",
    "same action, spike count",
)


def text_table(results: Mapping[str, Any]) -> str:
    """Format the table for a terminal.

    Args:
        results: The content of `results.json`.

    Returns:
        str: A line that says what was done, the table, and how to read it.
    """
    settings = results["settings"]
    return f"""\
Recipe tan2021, epsilon {settings["epsilon"]:g}, the same episodes for both networks; means with 95 % intervals.

{format_table(HEADER, _rows(results))}

"same action": on how many of the decisions that the SNN met the DQN would have done the same."""


def markdown_table(results: Mapping[str, Any]) -> str:
    """Format the table for a page.

    Args:
        results: The content of `results.json`.

    Returns:
        str: Markdown, with a line end.
    """
    return as_markdown(HEADER, _rows(results))


def _rows(results: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [_row(name, agent) for name, agent in results["agents"].items()]


def _row(name: str, agent: Mapping[str, Any]) -> tuple[str, ...]:
    play = agent["in_play"]
    return (
        name,
        str(agent["num_steps"]),
        str(len(play["dqn"]["returns"])),
        str(Interval(**play["dqn"]["interval"])),
        str(Interval(**play["snn"]["interval"])),
        _percent(play["agreement"]),
        _percent(play["spike_count_agreement"]),
    )


def _percent(stored: Mapping[str, Any]) -> str:
    scaled = {end: 100.0 * stored[end] for end in ("mean", "low", "high")}
    mean, rest = str(Interval(**{**stored, **scaled})).split(" ", 1)
    return f"{mean} % {rest}"
