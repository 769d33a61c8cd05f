"""The report as text and as files: a page in Markdown, numbers in JSON, pictures."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from dqn2snn.benchmark._picture import draw_agreement, draw_returns
from dqn2snn.benchmark._studies import draw_percentiles, draw_robustness
from dqn2snn.benchmark._summary import Summary
from dqn2snn.benchmark._tables import short_table, tables

FILES = ("report.md", "report.json", "returns.png", "agreement.png")
"""That every report has; with several percentiles there is a percentiles.png, under perturbations a robustness.png."""


def report_text(summary: Summary) -> str:
    """The games for a terminal.

    Args:
        summary: The numbers.

    Returns:
        str: A table without a line end.
    """
    lines = [
        "Mean returns and agreement by the robust readout with 95 % intervals; p of the paired difference."
    ]
    lines += ["", short_table(summary)]
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


def _refused(summary: Summary) -> str:
    if not summary.refused:
        return ""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for unit, reason in summary.refused.items():
        by_reason[reason].append(unit)
    lines = [f"* {', '.join(units)}: {reason}" for reason, units in by_reason.items()]
    return "\n".join(["\n## Conversions that cannot be\n", *lines, ""])
