"""The pictures: agreement over steps, and return over spikes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqn2snn._utils.extras import require
from measuring.table.report import agents_of, recipes_of
from measuring.table.settings import DQN, Cell
from measuring.table.store import Entries

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_agreement", "draw_return", "share_of_dqn"]

# Okabe and Ito's hues, and a line style for each round through them.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#555555")
_STYLES = ("-", "--", ":")
_COLUMNS = 4

Point = tuple[float, float]


def draw_agreement(entries: Entries, path: Path, recipes: Sequence[str] = ()) -> None:
    """A panel for each agent, a line for each recipe: agreement on held-out states over the number of steps.

    Args:
        entries: Lines of the file.
        path: Where to save.
        recipes: The lines; by default all that are there.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """

    def point(agent: str, entry: Mapping[str, Any]) -> Point:
        return entry["num_steps"], 100 * entry["held_out"]["agreement"]["mean"]

    def finish(panel: Axes) -> None:
        panel.set_xscale("log", base=2)
        panel.set_xticks([1, 4, 16, 64, 500], ["1", "4", "16", "64", "500"])
        panel.minorticks_off()
        panel.set_xlim(0.9, 560)
        panel.set_ylim(top=100.5)

    _draw(entries, path, recipes, point, finish, ("time steps", "same action, %"))


def draw_return(entries: Entries, path: Path, recipes: Sequence[str] = ()) -> None:
    """A panel for each agent, a line for each recipe: return over spikes of a neuron in a decision.

    The return is a share of the DQN's: random play is 0, the DQN 100 %.

    Args:
        entries: Lines of the file.
        path: Where to save.
        recipes: The lines; by default all that are there.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """

    def point(agent: str, entry: Mapping[str, Any]) -> Point:
        share = share_of_dqn(entries, Cell(agent, entry["recipe"], entry["num_steps"]))
        return entry["play"]["spikes_per_neuron"], math.nan if share is None else 100 * share

    def finish(panel: Axes) -> None:
        panel.set_xscale("log")
        panel.set_xlim(0.02, 300)
        panel.set_xticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
        panel.minorticks_off()
        panel.axhline(100, color="#BBBBBB", linewidth=1, zorder=0)
        panel.set_ylim(-12, 122)

    _draw(entries, path, recipes, point, finish, ("spikes per neuron and decision", "return, % of the DQN's"))


def share_of_dqn(entries: Entries, cell: Cell) -> float | None:
    """Mean return of a cell with random play as 0 and the DQN as 1.

    Args:
        entries: Lines of the file.
        cell: The place.

    Returns:
        float | None: The share; None if the cell has no return, or the DQN and random play score alike.
    """
    entry, baseline = entries.get(cell), entries.get(Cell(cell.agent, DQN, 0))
    if entry is None or baseline is None or "play" not in entry:
        return None
    zero, one = (float(baseline[name]["return"]["mean"]) for name in ("random", "play"))
    return (float(entry["play"]["return"]["mean"]) - zero) / (one - zero) if one != zero else None


def _draw(
    entries: Entries,
    path: Path,
    recipes: Sequence[str],
    point: Callable[[str, Mapping[str, Any]], Point],
    finish: Callable[[Axes], None],
    labels: tuple[str, str],
) -> None:
    agents = agents_of(entries)
    rows, columns = math.ceil(len(agents) / _COLUMNS), min(_COLUMNS, len(agents))
    figure = require("matplotlib.figure", extra="plot").Figure(
        figsize=(3.3 * columns, 2.6 * rows + 0.7), dpi=130, layout="constrained"
    )
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for panel in panels[len(agents) :]:
        panel.remove()
    names = list(recipes) or recipes_of(entries)
    for panel, agent in zip(panels, agents, strict=False):
        for number, recipe in enumerate(names):
            points = [
                point(agent, entry)
                for cell, entry in sorted(entries.items(), key=lambda item: item[0].num_steps)
                if (cell.agent, cell.recipe) == (agent, recipe) and "refused" not in entry
            ]
            x, y = zip(*points, strict=True) if points else ((), ())
            panel.plot(x, y, label=recipe, **_look(number))
        panel.set_title(agent, fontsize="medium")
        panel.set_xlabel(labels[0], fontsize="small")
        panel.spines[["top", "right"]].set_visible(False)
        finish(panel)
    for panel in panels[:: columns or 1][:rows]:
        panel.set_ylabel(labels[1])
    handles, shown = panels[0].get_legend_handles_labels()
    figure.legend(handles, shown, loc="outside lower center", ncols=6, frameon=False, fontsize="small")
    figure.savefig(path)


def _look(number: int) -> dict[str, Any]:
    return {
        "color": _COLOURS[number % len(_COLOURS)],
        "linestyle": _STYLES[number // len(_COLOURS) % len(_STYLES)],
        "marker": ".",
        "linewidth": 1.3,
    }
