"""The table as text: agreement for a terminal, every quantity for a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from dqn2snn._utils.table import as_markdown, format_table
from dqn2snn.recipes import Recipe, names_of
from measuring.table.settings import DQN, STEPS, Cell
from measuring.table.store import Entries

__all__ = [
    "MISSING",
    "QUANTITIES",
    "REFUSED",
    "agents_of",
    "markdown",
    "recipes_of",
    "refusals",
    "shown",
    "text",
]

MISSING, REFUSED = "not run", "n/a"

Entry = Mapping[str, Any]


def _agreement(entry: Entry) -> str:
    return _percent(entry["held_out"]["agreement"])


def _gap_weighted(entry: Entry) -> str:
    return _percent(entry["held_out"]["gap_weighted_agreement"])


def _regret(entry: Entry) -> str:
    return f"{100 * entry['held_out']['relative_regret']['mean']:.2g}"


def _return(entry: Entry) -> str:
    return _with_half_width(entry["play"]["return"])


def _spikes(entry: Entry) -> str:
    return f"{entry['play']['spikes']:,.4g}"


def _spikes_per_neuron(entry: Entry) -> str:
    return f"{entry['play']['spikes_per_neuron']:.2g}"


def _operations(entry: Entry) -> str:
    return f"{entry['play']['operations'] / 1000:,.3g}"


QUANTITIES: dict[str, tuple[str, Callable[[Entry], str]]] = {
    "agreement": ("agreement, %", _agreement),
    "gap-weighted agreement": ("gap-weighted agreement, %", _gap_weighted),
    "regret": ("regret, % of the DQN's range of Q-values", _regret),
    "return": ("return", _return),
    "spikes": ("spikes per decision", _spikes),
    "spikes per neuron": ("spikes per neuron and decision", _spikes_per_neuron),
    "operations": ("synaptic operations per decision, thousands", _operations),
}
"""What a page shows of each cell, with a heading."""

_IN_PLAY = ("return", "spikes", "spikes per neuron", "operations")
"""Those of them that take play."""


def text(entries: Entries) -> str:
    """Agreement for a terminal.

    Args:
        entries: Lines of the file.

    Returns:
        str: A table for each agent, without a line end.
    """
    steps = sorted({cell.num_steps for cell in entries if cell.recipe != DQN})
    parts = ["Agreement on held-out states in %, with half the width of the 95 % interval."]
    for agent in agents_of(entries):
        header, rows = _table(entries, agent, "agreement", steps, recipes_of(entries))
        parts.append(format_table([agent, *header[1:]], rows))
    return "\n\n".join(parts)


def markdown(
    entries: Entries, agent: str, quantity: str, steps: Sequence[int] = STEPS, recipes: Sequence[str] = ()
) -> str:
    """One quantity of one agent for a page.

    Args:
        entries: Lines of the file.
        agent: Its name.
        quantity: A key of `QUANTITIES`.
        steps: The columns.
        recipes: The rows; by default all that are there.

    Returns:
        str: A table in Markdown, with a line end. Cells that are not there say so.
    """
    header, rows = _table(entries, agent, quantity, steps, recipes or recipes_of(entries))
    return as_markdown(header, rows)


def agents_of(entries: Iterable[Cell]) -> list[str]:
    """Names of the agents that are there, sorted."""
    return sorted({cell.agent for cell in entries})


def recipes_of(entries: Iterable[Cell]) -> list[str]:
    """Names of the recipes that are there, ours first and in the order of the package."""
    known = names_of("rule")
    names = {cell.recipe for cell in entries} - {DQN}
    return sorted(names, key=lambda name: (known.index(Recipe(name).rule.name), name))


def refusals(entries: Entries) -> list[tuple[Cell, str]]:
    """Cells in which a recipe does not apply, and why."""
    return [(cell, entry["refused"]) for cell, entry in entries.items() if "refused" in entry]


def shown(entry: Entry | None, quantity: str) -> str:
    """One quantity of one cell.

    Args:
        entry: Its line; None if there is none.
        quantity: A key of `QUANTITIES`.

    Returns:
        str: A number, or that there is none.
    """
    if entry is None or (quantity in _IN_PLAY and "play" not in entry and "refused" not in entry):
        return MISSING
    return REFUSED if "refused" in entry else QUANTITIES[quantity][1](entry)


def _table(
    entries: Entries, agent: str, quantity: str, steps: Sequence[int], recipes: Sequence[str]
) -> tuple[list[str], list[list[str]]]:
    rows = [
        [recipe, *(shown(entries.get(Cell(agent, recipe, num_steps)), quantity) for num_steps in steps)]
        for recipe in recipes
    ]
    return [QUANTITIES[quantity][0], *(f"T = {num_steps}" for num_steps in steps)], rows


def _percent(interval: Entry) -> str:
    return _with_half_width({name: 100 * interval[name] for name in ("mean", "low", "high")}, digits=1)


def _with_half_width(interval: Entry, digits: int | None = None) -> str:
    """The mean, and how far the farther end of its interval is."""
    mean, low, high = (interval[name] for name in ("mean", "low", "high"))
    half = 0.0 if low is None else max(mean - low, high - mean)
    if digits is None:
        digits = 0 if abs(mean) >= 100 else 1
    return f"{mean:.{digits}f} ± {half:.{digits}f}"
