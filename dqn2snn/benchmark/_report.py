"""The report as text and as files: tables in Markdown, numbers in JSON, pictures."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dqn2snn._utils.table import as_markdown, format_table
from dqn2snn.benchmark._game import Game
from dqn2snn.benchmark._overall import Overall
from dqn2snn.benchmark._picture import draw_agreement, draw_returns
from dqn2snn.benchmark._robustness import Robustness
from dqn2snn.benchmark._studies import draw_percentiles, draw_robustness
from dqn2snn.benchmark._summary import Summary
from dqn2snn.metrics.confidence import Interval

__all__ = ["FILES", "markdown", "report_text", "tables", "write_report"]

FILES = ("report.md", "report.json", "returns.png", "agreement.png")
"""That every report has; with several percentiles there is a percentiles.png, under perturbations a robustness.png."""

_WAY = ("recipe", "T", "percentile")
_GAMES = (
    "agent",
    *_WAY,
    "episodes",
    "DQN",
    "SNN",
    "SNN / DQN",
    "SNN - DQN",
    "p",
    "agreement, robust, %",
    "agreement, spike count, %",
    "synaptic operations, thousands",
)
_SHORT = ("agent", *_WAY, "episodes", "DQN", "SNN", "p", "agreement, %", "operations, k")
_OVERALL = (
    *_WAY,
    "games",
    "SNN / DQN",
    "human-normalised, DQN",
    "human-normalised, SNN",
    "SNN - DQN",
    "agreement, %",
)
_ROBUSTNESS = (
    "agent",
    *_WAY,
    "perturbation",
    "episodes",
    "DQN",
    "SNN",
    "DQN, % of its score without",
    "SNN, % of its score without",
    "agreement, %",
)
_NONE = ""


def report_text(summary: Summary) -> str:
    """The games for a terminal.

    Args:
        summary: The numbers.

    Returns:
        str: A table without a line end.
    """
    rows = [
        [
            game.agent,
            *_way(game),
            str(game.episodes),
            str(game.dqn),
            str(game.snn),
            f"{game.p_value:.2g}",
            _percent(game.agreement),
            _thousands(game.operations),
        ]
        for game in summary.games
    ]
    lines = [
        "Mean returns and agreement by the robust readout with 95 % intervals; p of the paired difference."
    ]
    lines += ["", format_table(_SHORT, rows)]
    lines += [f"No {unit}: {reason}" for unit, reason in summary.refused.items()]
    return "\n".join(lines)


def markdown(summary: Summary) -> str:
    """The whole report."""
    protocol = summary.protocol
    limit = "" if protocol["max_steps"] is None else f" of at most {protocol['max_steps']} steps"
    parts = tables(summary)
    return f"""# Benchmark

DQN and spiking network play the same episodes{limit} with the same random actions, epsilon {protocol["epsilon"]:g}.
Conversions see {protocol["calibration"]:,} observations of other episodes. Square brackets are 95 % intervals.

## Games

Means over episodes. *SNN / DQN* is the ratio of mean returns, with a bootstrap interval, where the DQN's is above 0.
*p* is that of the mean paired difference, by random signs, and not corrected for the number of rows. Agreement is
counted on the states that the spiking network visits, its interval clustered by episode. Synaptic operations are those
of one decision.

{parts["games"]}
## Over games

Interquartile means over games and seeds with stratified bootstrap intervals (Agarwal et al. 2021). *SNN / DQN* is over
the games in which the DQN's mean return is above 0; human-normalised scores, with random play 0 and a human 1, are over
those whose references are known. Agreement is the mean over games.

{parts["overall"]}
{_robustness(summary)}{_refused(summary)}"""


def tables(summary: Summary) -> dict[str, str]:
    """The tables of the report."""
    return {
        "games": as_markdown(_GAMES, [_game_row(game) for game in summary.games], left=2),
        "overall": as_markdown(_OVERALL, [_overall_row(overall) for overall in summary.overall]),
        "robustness": as_markdown(_ROBUSTNESS, [_robustness_row(row) for row in summary.robustness], left=2),
    }


def write_report(summary: Summary, directory: Path) -> None:
    """Write `FILES` and the pictures of studies, each whole or not at all.

    Args:
        summary: The numbers.
        directory: Where to.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """
    data = json.dumps(summary.to_dict(), indent=1, allow_nan=False) + "\n"
    makers: dict[str, Callable[[Path], object]] = {
        FILES[0]: lambda path: path.write_text(markdown(summary), encoding="utf-8"),
        FILES[1]: lambda path: path.write_text(data, encoding="utf-8"),
        FILES[2]: lambda path: draw_returns(summary.games, path),
        FILES[3]: lambda path: draw_agreement(summary.games, path),
    }
    if len({game.percentile for game in summary.games} - {None}) > 1:
        makers["percentiles.png"] = lambda path: draw_percentiles(summary.games, path)
    if summary.robustness:
        makers["robustness.png"] = lambda path: draw_robustness(summary.robustness, path)
    for name, make in makers.items():
        part = directory / f".part.{name}"
        try:
            make(part)
            os.replace(part, directory / name)
        finally:
            part.unlink(missing_ok=True)


def _way(row: Game | Overall) -> list[str]:
    return [
        f"`{row.recipe}`" if isinstance(row, Overall) else row.recipe,
        str(row.num_steps or "none"),
        "own" if row.percentile is None else f"{row.percentile:g}",
    ]


def _game_row(game: Game) -> list[str]:
    return [
        game.agent,
        *_way(game),
        str(game.episodes),
        str(game.dqn),
        str(game.snn),
        _or_none(game.ratio),
        str(game.difference),
        f"{game.p_value:.2g}",
        _percent(game.agreement),
        _percent(game.agreement_spike_count),
        _thousands(game.operations),
    ]


def _overall_row(overall: Overall) -> list[str]:
    scores = (overall.ratio, overall.human_dqn, overall.human_snn, overall.human_difference)
    return [*_way(overall), str(overall.games), *map(_or_none, scores), f"{100 * overall.agreement:.1f}"]


def _robustness(summary: Summary) -> str:
    if not summary.robustness:
        return ""
    return f"""
## Under perturbations

Scores when observations or weights are spoilt, in the same episodes, and what part they are of the scores without.
`bar=r` blackens three rows of the image from row r on; `gaussian=s` adds noise with s of the range as its standard
deviation, `salt_and_pepper=p` makes a share p of the numbers extreme, `weights=s` multiplies each weight by a normal
number around 1 with the standard deviation s. Agreement is that with the DQN under the same perturbation.

{tables(summary)["robustness"]}"""


def _robustness_row(row: Robustness) -> list[str]:
    game = row.game
    return [
        game.agent,
        *_way(game),
        row.perturbation,
        str(game.episodes),
        str(game.dqn),
        str(game.snn),
        *(_NONE if share is None else _percent(share) for share in (row.dqn_share, row.snn_share)),
        _percent(game.agreement),
    ]


def _or_none(interval: Interval | None) -> str:
    return _NONE if interval is None else str(interval)


def _percent(interval: Interval) -> str:
    mean, low, high = (100 * end for end in (interval.mean, interval.low, interval.high))
    return str(replace(interval, mean=mean, low=low, high=high))


def _thousands(interval: Interval) -> str:
    return f"{interval.mean / 1000:,.3g}"


def _refused(summary: Summary) -> str:
    if not summary.refused:
        return ""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for unit, reason in summary.refused.items():
        by_reason[reason].append(unit)
    lines = [f"* {', '.join(units)}: {reason}" for reason, units in by_reason.items()]
    return "\n".join(["\n## Conversions that cannot be\n", *lines, ""])
