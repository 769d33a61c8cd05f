"""The pictures: return and agreement over the number of steps, a panel for each agent."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqn2snn.benchmark.suite.game import Game
from dqn2snn.confidence import Interval
from dqn2snn.plot._style import action_colours, new_figure, plain_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_agreement", "draw_returns"]

_COLUMNS = 4

Way = tuple[str, float | None]


def draw_returns(games: Sequence[Game], path: Path) -> None:
    """Mean returns with 95 % intervals; the band is the DQN's.

    Args:
        games: Numbers of the games.
        path: Where to save.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """

    def begin(panel: Axes, here: Sequence[Game]) -> None:
        dqn = max((game.dqn for game in here), key=lambda interval: interval.count)
        panel.axhline(dqn.mean, color="#555555", linewidth=1, zorder=0)
        if math.isfinite(dqn.low):
            panel.axhspan(dqn.low, dqn.high, color="#DDDDDD", linewidth=0, zorder=0)

    _draw(games, path, "return", (("-", lambda game: (game.snn, 1)),), begin)


def draw_agreement(games: Sequence[Game], path: Path) -> None:
    """Agreement with 95 % intervals: solid by the robust readout, dotted by the spike-count readout.

    Args:
        games: Numbers of the games.
        path: Where to save.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """

    def begin(panel: Axes, here: Sequence[Game]) -> None:
        panel.axhline(100, color="#BBBBBB", linewidth=1, zorder=0)

    lines: tuple[Line, ...] = (
        ("-", lambda game: (game.agreement, 100)),
        (":", lambda game: (game.agreement_spike_count, 100)),
    )
    _draw(games, path, "same action, %", lines, begin)


Line = tuple[str, Callable[[Game], tuple[Interval, float]]]


def _draw(
    games: Sequence[Game],
    path: Path,
    label: str,
    lines: Sequence[Line],
    begin: Callable[[Axes, Sequence[Game]], None],
) -> None:
    agents = sorted({game.agent for game in games})
    ways = sorted({(game.recipe, game.percentile) for game in games}, key=lambda way: (way[0], way[1] or 0))
    columns = max(1, min(_COLUMNS, len(agents)))
    rows = max(1, math.ceil(len(agents) / columns))
    figure = new_figure(3.3 * columns, 2.6 * rows + 0.7)
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for panel in panels[len(agents) :]:
        panel.remove()
    for panel, agent in zip(panels, agents, strict=False):
        here = [game for game in games if game.agent == agent]
        begin(panel, here)
        for number, (way, colour) in enumerate(zip(ways, action_colours(len(ways)), strict=True)):
            there = [game for game in here if (game.recipe, game.percentile) == way]
            # Beside each other, so that intervals at one T can be told apart.
            shift = 2 ** (0.12 * (number - (len(ways) - 1) / 2))
            _lines(panel, there, lines, {"color": colour, "label": _name(way)}, shift)
        _finish(panel, agent, {game.num_steps for game in here})
    for panel in panels[::columns][:rows]:
        panel.set_ylabel(label)
    handles, names = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False, fontsize="small")
    figure.savefig(path)


def _lines(
    panel: Axes, games: Sequence[Game], lines: Sequence[Line], look: dict[str, Any], shift: float
) -> None:
    for style, value in lines:
        first = style == lines[0][0]
        found = [value(game) for game in games]
        below, above = (
            [scale * _distance(interval, side) for interval, scale in found] for side in ("low", "high")
        )
        panel.errorbar(
            [shift * game.num_steps for game in games],
            [scale * interval.mean for interval, scale in found],
            yerr=[below, above],
            linestyle=style,
            marker="o",
            markersize=3,
            markerfacecolor=None if first else "white",
            linewidth=1.2,
            **(look if first else {**look, "label": None}),
        )


def _distance(interval: Interval, side: str) -> float:
    """From the mean to one end; 0 if there is none."""
    end: float = getattr(interval, side)
    return abs(interval.mean - end) if math.isfinite(end) else 0.0


def _finish(panel: Axes, agent: str, steps: set[int]) -> None:
    panel.set_title(agent)
    panel.set_xscale("log", base=2)
    panel.set_xticks(sorted(steps), [str(step) for step in sorted(steps)])
    panel.minorticks_off()
    panel.set_xlabel("time steps", fontsize="small")
    plain_frame(panel)


def _name(way: Way) -> str:
    return way[0] if way[1] is None else f"{way[0]}, {way[1]:g} %"
