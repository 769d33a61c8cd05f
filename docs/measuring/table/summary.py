"""Small tables over all agents, for the first page: what the many cells come to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from dqn2snn._utils.table import as_markdown
from measuring.table.picture import share_of_dqn
from measuring.table.report import MISSING, REFUSED, agents_of, refusals, shown
from measuring.table.settings import DQN, Cell, Settings, cells
from measuring.table.store import Entries

__all__ = [
    "chosen_cells",
    "coverage",
    "judged",
    "kinds",
    "least_steps",
    "reasons",
    "shares",
    "spikes_of_control",
]

Entry = Mapping[str, Any]


def chosen_cells(
    entries: Entries, quantity: str, columns: Sequence[tuple[str, int]], agents: Sequence[str] = ()
) -> str:
    """One quantity of some recipes at some T, a row for each agent.

    Args:
        entries: Lines of the file.
        quantity: A key of `QUANTITIES`.
        columns: Recipes and T.
        agents: The rows; by default all that are there.

    Returns:
        str: A table in Markdown, with a line end.
    """
    rows = [
        [agent, *(shown(entries.get(Cell(agent, *column)), quantity) for column in columns)]
        for agent in agents or agents_of(entries)
    ]
    return as_markdown(
        ["agent", *("DQN" if recipe == DQN else f"{recipe}, T = {steps}" for recipe, steps in columns)], rows
    )


def judged(entries: Entries, rows: Sequence[tuple[str, int]], agents: Sequence[str] = ()) -> str:
    """What held-out states say about recipes at some T: agreement in %, and spikes of a hidden neuron in a decision.

    Args:
        entries: Lines of the file.
        rows: Recipes and T.
        agents: The columns, two of each; by default all that are there.

    Returns:
        str: A table in Markdown, with a line end.
    """
    agents = agents or agents_of(entries)
    header = ["recipe", "T", *(f"{agent}, {what}" for agent in agents for what in ("%", "spikes"))]
    found = [
        [
            f"`{recipe}`",
            str(steps),
            *(part for agent in agents for part in _judged(entries.get(Cell(agent, recipe, steps)))),
        ]
        for recipe, steps in rows
    ]
    return as_markdown(header, found)


def _judged(entry: Entry | None) -> tuple[str, str]:
    spikes = "" if entry is None or "refused" in entry else f"{entry['held_out']['spikes_per_neuron']:.2g}"
    return shown(entry, "agreement"), spikes


def kinds(entries: Entries, recipes: Sequence[str]) -> str:
    """What kind of spikes each recipe needs, and whether it remembers.

    Args:
        entries: Lines of the file.
        recipes: The rows.

    Returns:
        str: A table in Markdown, with a line end.
    """
    found: dict[str, set[str]] = defaultdict(set)
    remembers: dict[str, str] = {}
    for cell, entry in entries.items():
        if "spikes_kind" in entry:
            found[cell.recipe].add(entry["spikes_kind"])
            remembers[cell.recipe] = "yes" if entry["stateful"] else "no"
    rows = [
        [f"`{recipe}`", ", ".join(sorted(found[recipe])) or MISSING, remembers.get(recipe, MISSING)]
        for recipe in recipes
    ]
    return as_markdown(["recipe", "spikes", "remembers the decision before"], rows, left=3)


def shares(entries: Entries, recipes: Sequence[str], steps: Sequence[int], agents: Sequence[str]) -> str:
    """Return as a share of the DQN's, random play being 0, mean over some agents.

    Args:
        entries: Lines of the file.
        recipes: The rows.
        steps: The columns.
        agents: Over whom; a mean needs all of them.

    Returns:
        str: A table in Markdown, with a line end.
    """

    def mean(recipe: str, num_steps: int) -> str:
        found = [share_of_dqn(entries, Cell(agent, recipe, num_steps)) for agent in agents]
        known = [each for each in found if each is not None]
        if len(known) == len(agents):
            return f"{100 * sum(known) / len(known):.0f}"
        there = any(Cell(agent, recipe, num_steps) in entries for agent in agents)
        return REFUSED if there and not known else MISSING

    rows = [[recipe, *(mean(recipe, num_steps) for num_steps in steps)] for recipe in recipes]
    return as_markdown(["return, % of the DQN's", *(f"T = {num_steps}" for num_steps in steps)], rows)


def least_steps(entries: Entries, agent: str, recipe: str) -> Cell | None:
    """The cell with the fewest steps whose mean return reaches the DQN's 95 % interval.

    Args:
        entries: Lines of the file.
        agent: Name of the agent.
        recipe: Name of the recipe.

    Returns:
        Cell | None: The cell; None if there is none.
    """
    enough = entries[Cell(agent, DQN, 0)]["play"]["return"]["low"]
    reached = [
        cell
        for cell, entry in entries.items()
        if (cell.agent, cell.recipe) == (agent, recipe)
        and "play" in entry
        and entry["play"]["return"]["mean"] >= enough
    ]
    return min(reached, key=lambda cell: cell.num_steps, default=None)


def spikes_of_control(entries: Entries, recipes: Sequence[str], num_steps: int, against: str = "rate") -> str:
    """What recipes spend in play, beside another one in the fewest steps that reach the DQN's return.

    Args:
        entries: Lines of the file.
        recipes: Names of recipes.
        num_steps: Their T.
        against: The other recipe.

    Returns:
        str: A table in Markdown, with a line end.
    """
    rows = []
    for agent in agents_of(entries):
        other = least_steps(entries, agent, against)
        theirs = None if other is None else entries[other]
        for recipe in recipes:
            ours = entries.get(Cell(agent, recipe, num_steps))
            spent = [MISSING if ours is None else shown(ours, "spikes per neuron"), _ratio(ours, theirs)]
            rows.append([agent, f"`{recipe}`, T = {num_steps}", _interval(ours), *spent])
        name = f"`{against}`, T = {'none' if other is None else other.num_steps}"
        spent = ["" if theirs is None else shown(theirs, "spikes per neuron"), ""]
        rows.append([agent, name, "" if theirs is None else _interval(theirs), *spent])
        rows.append([agent, "DQN", _interval(entries.get(Cell(agent, DQN, 0))), "", ""])
    header = [
        "agent",
        "network",
        "return",
        "spikes per neuron and decision",
        f"share of those of `{against}`",
    ]
    return as_markdown(header, rows, left=2)


def coverage(entries: Entries, settings: Settings) -> str:
    """How much of the table has been measured, in a sentence."""
    wanted = list(cells(settings))
    there = sum(cell in entries for cell in wanted)
    rest = f" The others are still to be run, and say “{MISSING}”." if there < len(wanted) else ""
    return f"{there} of {len(wanted)} cells have been measured.{rest}\n"


def reasons(entries: Entries) -> str:
    """Where a recipe does not apply, and why: a line for each reason.

    Returns:
        str: A list in Markdown, with a line end.
    """
    by_reason: dict[str, list[Cell]] = defaultdict(list)
    for cell, reason in refusals(entries):
        by_reason[reason].append(cell)
    lines = [
        f"* {', '.join(f'{cell.agent} `{cell.recipe}` T = {cell.num_steps}' for cell in where)}: {reason}\n"
        for reason, where in by_reason.items()
    ]
    return "".join(lines) or "Every recipe applies in every cell that has been measured.\n"


def _interval(entry: Entry | None) -> str:
    if entry is None:
        return MISSING
    found = entry["play"]["return"]
    return f"{found['mean']:.1f} [{found['low']:.1f}, {found['high']:.1f}]"


def _ratio(ours: Entry | None, theirs: Entry | None) -> str:
    if ours is None or theirs is None:
        return ""
    return f"{ours['play']['spikes_per_neuron'] / theirs['play']['spikes_per_neuron']:.2f}"
