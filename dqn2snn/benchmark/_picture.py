"""The pictures: return and agreement over the number of steps, a panel for each agent."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqn2snn.benchmark._game import Game
from dqn2snn.benchmark._panels import draw_intervals, save_panels
from dqn2snn.metrics.confidence import Interval
from dqn2snn.plot._style import action_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Way = tuple[str, float | None]


def draw_returns(games: Sequence[Game], path: Path) -> None:
    """Mean returns with 95 % intervals; the band is the DQN's."""

    def begin(panel: Axes, here: Sequence[Game]) -> None:
        dqn = max((game.dqn for game in here), key=lambda interval: interval.count)
        panel.axhline(dqn.mean, color="#555555", linewidth=1, zorder=0)
        if math.isfinite(dqn.low):
            panel.axhspan(dqn.low, dqn.high, color="#DDDDDD", linewidth=0, zorder=0)

    _draw(games, path, "return", (("-", lambda game: (game.snn, 1)),), begin)


def draw_agreement(games: Sequence[Game], path: Path) -> None:
    """Agreement with 95 % intervals: solid by the robust readout, dotted by the spike-count readout."""

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
    colours = colours_of(games)
    num_spiking = len(_ways(game for game in games if game.num_steps))

    def draw(panel: Axes, agent: str) -> None:
        here = [game for game in games if game.agent == agent]
        begin(panel, here)
        for number, (way, colour) in enumerate(colours.items()):
            there = [game for game in here if (game.recipe, game.percentile) == way]
            look = {"color": colour, "label": _name(way)}
            # Beside each other, so that intervals at one T can be told apart.
            shift = 2 ** (0.12 * (number - (num_spiking - 1) / 2))
            _lines(panel, there, lines, look, shift)
        steps = sorted({game.num_steps for game in here if game.num_steps})
        panel.set_xscale("log", base=2)
        panel.set_xticks(steps, [str(step) for step in steps])
        panel.minorticks_off()
        panel.set_xlabel("time steps", fontsize="small")

    save_panels(sorted({game.agent for game in games}), draw, label, path)


def colours_of(games: Sequence[Game]) -> dict[Way, str]:
    """Give each way its colour: the clipped DQN that of the first spiking network with its percentile."""
    spiking = _ways(game for game in games if game.num_steps)
    others = [way for way in _ways(games) if way not in spiking]
    partners = {way: next((other for other in spiking if other[1] == way[1]), way) for way in others}
    own = [*spiking, *(way for way in others if partners[way] == way)]
    colours = dict(zip(own, action_colours(len(own)), strict=True))
    return {way: colours[partners.get(way, way)] for way in [*spiking, *others]}


def _ways(games: Iterable[Game]) -> list[Way]:
    return sorted({(game.recipe, game.percentile) for game in games}, key=lambda way: (way[0], way[1] or 0))


def _lines(
    panel: Axes, games: Sequence[Game], lines: Sequence[Line], look: dict[str, Any], shift: float
) -> None:
    for style, value in lines:
        first = style == lines[0][0]
        named = look if first else {**look, "label": None}
        limits = [value(game) for game in games if not game.num_steps]
        for interval, scale in limits if first else ():  # a network without time steps has one value for all
            panel.axhline(scale * interval.mean, linestyle="--", linewidth=1, **named)
        timed = [game for game in games if game.num_steps]
        if timed:
            found = [value(game) for game in timed]
            draw_intervals(
                panel, [shift * game.num_steps for game in timed], found, style, hollow=not first, **named
            )


def _name(way: Way) -> str:
    return way[0] if way[1] is None else f"{way[0]}, {way[1]:g} %"
