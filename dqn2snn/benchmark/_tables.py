"""The tables of the report: what each shows of a row, column by column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from dqn2snn._utils.table import as_markdown, format_table
from dqn2snn.benchmark._summary import Summary
from dqn2snn.metrics.confidence import Interval

Columns = Mapping[str, Callable[[Any], str]]
"""What a table shows of each row, by the names of its columns."""


def _percent(interval: Interval) -> str:
    mean, low, high = (100 * end for end in (interval.mean, interval.low, interval.high))
    return str(replace(interval, mean=mean, low=low, high=high))


def _thousands(interval: Interval) -> str:
    return f"{interval.mean / 1000:,.3g}"


def _or_none(interval: Interval | None, written: Callable[[Interval], str] = str) -> str:
    return "" if interval is None else written(interval)


def _of_game(cell: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda row: cell(row.game)


_WAY: Columns = {
    "recipe": lambda row: row.recipe,
    "T": lambda row: str(row.num_steps or "none"),
    "percentile": lambda row: "own" if row.percentile is None else f"{row.percentile:g}",
}
_SCORES: Columns = {
    "agent": lambda game: game.agent,
    **_WAY,
    "episodes": lambda game: str(game.episodes),
    "DQN": lambda game: str(game.dqn),
    "SNN": lambda game: str(game.snn),
}
_SHORT: Columns = {
    **_SCORES,
    "p": lambda game: f"{game.p_value:.2g}",
    "agreement, %": lambda game: _percent(game.agreement),
    "operations, k": lambda game: _thousands(game.operations),
}
_GAMES: Columns = {
    **_SCORES,
    "SNN / DQN": lambda game: _or_none(game.ratio),
    "SNN - DQN": lambda game: str(game.difference),
    "p": lambda game: f"{game.p_value:.2g}",
    "agreement, robust, %": lambda game: _percent(game.agreement),
    "agreement, spike count, %": lambda game: _percent(game.agreement_spike_count),
    "synaptic operations, thousands": lambda game: _thousands(game.operations),
}
_OVERALL: Columns = {
    **_WAY,
    "recipe": lambda way: f"`{way.recipe}`",
    "games": lambda way: str(way.games),
    "SNN / DQN": lambda way: _or_none(way.ratio),
    "human-normalised, DQN": lambda way: _or_none(way.human_dqn),
    "human-normalised, SNN": lambda way: _or_none(way.human_snn),
    "SNN - DQN": lambda way: _or_none(way.human_difference),
    "agreement, %": lambda way: f"{100 * way.agreement:.1f}",
}
_ROBUSTNESS: Columns = {
    "agent": lambda row: row.game.agent,
    **{name: _of_game(cell) for name, cell in _WAY.items()},
    "perturbation": lambda row: row.perturbation,
    "episodes": lambda row: str(row.game.episodes),
    "DQN": lambda row: str(row.game.dqn),
    "SNN": lambda row: str(row.game.snn),
    "DQN, % of its score without": lambda row: _or_none(row.dqn_share, _percent),
    "SNN, % of its score without": lambda row: _or_none(row.snn_share, _percent),
    "agreement, %": lambda row: _percent(row.game.agreement),
}


def short_table(summary: Summary) -> str:
    """The games for a terminal."""
    return format_table(list(_SHORT), _cells(_SHORT, summary.games))


def tables(summary: Summary) -> dict[str, str]:
    """The tables of the report in Markdown, by their names."""
    return {
        "games": as_markdown(list(_GAMES), _cells(_GAMES, summary.games), left=2),
        "overall": as_markdown(list(_OVERALL), _cells(_OVERALL, summary.overall)),
        "robustness": as_markdown(list(_ROBUSTNESS), _cells(_ROBUSTNESS, summary.robustness), left=2),
    }


def _cells(columns: Columns, rows: Iterable[Any]) -> list[list[str]]:
    return [[cell(row) for cell in columns.values()] for row in rows]
