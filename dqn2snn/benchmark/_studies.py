"""Pictures of the studies: agreement over the percentile, and what perturbations leave of the scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqn2snn.benchmark._game import Game
from dqn2snn.benchmark._panels import draw_intervals, save_panels
from dqn2snn.benchmark._perturb import Perturbation
from dqn2snn.benchmark._robustness import Robustness
from dqn2snn.metrics.confidence import Interval
from dqn2snn.plot._style import action_colours, ordered_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_AMOUNTS = {
    "bar": "first row of the bar",
    "gaussian": "noise, share of the range",
    "salt_and_pepper": "share of the pixels",
    "weights": "noise, share of each weight",
}


def draw_percentiles(games: Sequence[Game], path: Path) -> None:
    """Agreement over the percentile: solid by the robust readout, dotted by the spike-count readout."""
    chosen = [game for game in games if game.percentile is not None]
    percentiles = sorted({game.percentile for game in chosen if game.percentile is not None})
    ways = sorted({(game.recipe, game.num_steps) for game in chosen})
    colours = ordered_colours(len(ways))

    def draw(panel: Axes, agent: str) -> None:
        here = [game for game in chosen if game.agent == agent]
        for way, colour in zip(ways, colours, strict=True):
            there = {game.percentile: game for game in here if (game.recipe, game.num_steps) == way}
            # Places are evenly spaced: what counts is the distance from 100, which has none on a logarithmic scale.
            places = [place for place, percentile in enumerate(percentiles) if percentile in there]
            rows = [there[percentiles[place]] for place in places]
            name = f"{way[0]}, T = {way[1]}" if way[1] else way[0]
            robust = [(game.agreement, 100.0) for game in rows]
            draw_intervals(panel, places, robust, "-" if way[1] else "--", color=colour, label=name)
            if way[1]:
                counts = [(game.agreement_spike_count, 100.0) for game in rows]
                draw_intervals(panel, places, counts, ":", hollow=True, color=colour)
        panel.set_xticks(range(len(percentiles)), [f"{percentile:g}" for percentile in percentiles])
        panel.set_xlabel("percentile", fontsize="small")

    save_panels(sorted({game.agent for game in chosen}), draw, "same action, %", path)


def draw_robustness(rows: Sequence[Robustness], path: Path) -> None:
    """Score over the strength of a perturbation, as a share of the score without; a panel for each agent and kind."""
    agents = sorted({row.game.agent for row in rows})
    kinds = sorted({Perturbation.of(row.perturbation).kind for row in rows})
    ways = sorted({_way(row) for row in rows}, key=lambda way: (way[1], way[0], way[2]))
    titles = {f"{agent}, {kind}": (agent, kind) for agent in agents for kind in kinds}

    def draw(panel: Axes, title: str) -> None:
        agent, kind = titles[title]
        found = [(Perturbation.of(row.perturbation), row) for row in rows if row.game.agent == agent]
        here = sorted(
            ((each.amount, row) for each, row in found if each.kind == kind), key=lambda pair: pair[0]
        )
        dqn = {amount: row.dqn_share for amount, row in here}
        _share_line(panel, dqn, color="#555555", label="DQN")
        for way, colour in zip(ways, action_colours(len(ways)), strict=True):
            shares = {amount: row.snn_share for amount, row in here if _way(row) == way}
            name = f"{way[0]}, T = {way[1]}" if way[1] else way[0]
            _share_line(panel, shares, color=colour, label=name + (f", {way[2]:g} %" if way[2] else ""))
        panel.axhline(100, color="#BBBBBB", linewidth=1, zorder=0)
        panel.set_xlabel(_AMOUNTS[kind], fontsize="small")

    save_panels(list(titles), draw, "score, % of that without", path, columns=max(1, len(kinds)))


def _way(row: Robustness) -> tuple[str, int, float]:
    return row.game.recipe, row.game.num_steps, row.game.percentile or 0.0


def _share_line(panel: Axes, shares: Mapping[float, Interval | None], **look: Any) -> None:
    known = [(amount, share) for amount, share in shares.items() if share is not None]
    if known:
        draw_intervals(panel, [amount for amount, _ in known], [(share, 100.0) for _, share in known], **look)
