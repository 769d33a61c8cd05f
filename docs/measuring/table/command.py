"""`python docs/measure.py table`: every recipe in so many steps on every shipped agent.

Writes a line of JSON for each cell to DIR/table.jsonl. What is there is not measured again: a run that was killed goes
on, and one with more agents, recipes or steps adds to the table.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dqn2snn._utils.arguments import Parser, natural_number, positive_number
from dqn2snn.engine.registry import AUTO, ENGINES
from measuring.table.report import text
from measuring.table.run import run
from measuring.table.settings import Cell, Conditions, Settings, cells
from measuring.table.store import Entries

__all__ = ["main"]

DATA = "table.jsonl"


def main(argv: Sequence[str]) -> int:
    """Measure the table.

    Args:
        argv: The arguments.

    Returns:
        int: The exit status: 0; 1 if something broke in a cell, which is then missing.
    """
    args = _parser().parse_args(argv)
    settings = _settings(args)
    entries, broken = run(settings, args.output / DATA, jobs=args.jobs)
    wanted = {cell: entries[cell] for cell in cells(settings) if cell in entries}
    sys.stdout.write(_lines(args.output / DATA, wanted) if args.json else text(wanted) + "\n")
    for each in broken:
        sys.stderr.write(f"{each}\n")
    return 1 if broken else 0


def _lines(path: Path, wanted: Entries) -> str:
    """The lines of the file that were asked for, as they are there."""
    head, *lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join([head, *(line for line in lines if Cell.of(json.loads(line)) in wanted)])


def _parser() -> Parser:
    parser = Parser(prog="python docs/measure.py table", description=__doc__, allow_abbrev=False)
    parser.add_argument("--agents", nargs="+", metavar="AGENT", help="names of shipped agents (all)")
    parser.add_argument(
        "--recipes",
        nargs="+",
        metavar="RECIPE",
        help="recipes (all); with options and corrections: sigma_delta:levels=32+ridge",
    )
    parser.add_argument(
        "--steps",
        nargs="+",
        type=positive_number,
        metavar="T",
        help="time steps (1 2 4 8 16 32 64 128 500)",
    )
    parser.add_argument(
        "--episodes",
        type=positive_number,
        default=Conditions.episodes,
        metavar="N",
        help=f"episodes that everybody plays ({Conditions.episodes})",
    )
    parser.add_argument(
        "--calibration",
        type=positive_number,
        default=Conditions.calibration,
        metavar="N",
        help=f"observations that a conversion sees ({Conditions.calibration})",
    )
    parser.add_argument(
        "--calibration-episodes",
        type=positive_number,
        default=Conditions.calibration_episodes,
        metavar="N",
        help=f"episodes that they come from, at least ({Conditions.calibration_episodes})",
    )
    parser.add_argument(
        "--seed", type=natural_number, default=Conditions.seed, metavar="N", help="of everything (0)"
    )
    parser.add_argument(
        "--engine", choices=(AUTO, *ENGINES), default=AUTO, help="what simulates; all give the same (auto)"
    )
    parser.add_argument(
        "--jobs", type=positive_number, default=1, metavar="N", help="processes of one thread each (1)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("table-output"),
        metavar="DIR",
        help="where to write, and to go on (table-output)",
    )
    parser.add_argument("--no-play", dest="play", action="store_false", help="judge on held-out states only")
    parser.add_argument("--json", action="store_true", help="print the lines of JSON instead of the table")
    return parser


def _settings(args: argparse.Namespace) -> Settings:
    settings = Settings()
    return replace(
        settings,
        agents=tuple(args.agents or settings.agents),
        recipes=tuple(args.recipes or settings.recipes),
        num_steps=tuple(args.steps or settings.num_steps),
        conditions=Conditions(
            episodes=args.episodes,
            seed=args.seed,
            calibration=args.calibration,
            calibration_episodes=args.calibration_episodes,
        ),
        engine=args.engine,
        play=args.play,
    )
