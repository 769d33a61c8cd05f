"""`dqn2snn bench`: many games, recipes, steps, percentiles and seeds, on one machine or on many."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dqn2snn._utils.arguments import Parser, natural_number, positive_number, probability
from dqn2snn.cli._arguments import add_json, engine_name
from dqn2snn.cli._parser import Commands
from dqn2snn.cli._report import Report
from dqn2snn.errors import Dqn2SnnError

if TYPE_CHECKING:
    from dqn2snn.benchmark import Results, Settings

BACKENDS = ("loky", "dask", "ray")  # by name, since the benchmark itself imports torch


def add(commands: Commands[Parser]) -> None:
    """Add the command to a parser.

    Args:
        commands: The subparsers.
    """
    parser = commands.add_parser(
        "bench",
        help="play many games, recipes, steps, percentiles and seeds; killed, it goes on",
        description="Plays the same episodes with DQNs and with their spiking networks. Every finished episode is a "
        "line of JSON in DIR/episodes.jsonl, so that the same command goes on after being killed, and one with more "
        "of anything adds to it. Writes report.md, report.json, returns.png and agreement.png; where there are several "
        "percentiles also percentiles.png, and under perturbations robustness.png.",
        allow_abbrev=False,
    )
    _add_what(parser)
    _add_conditions(parser)
    _add_how(parser)
    parser.set_defaults(run=run)


def _add_what(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what is played, every combination of it")
    what.add_argument(
        "--agents",
        nargs="+",
        metavar="AGENT",
        help="shipped agents, or directories with one each (all shipped)",
    )
    what.add_argument(
        "--recipes",
        nargs="+",
        default=["rate"],
        metavar="RECIPE",
        help="recipes (rate); with options and corrections: sigma_delta:levels=32+ridge; clipped is the DQN whose "
        "activations are clipped as in tan2021",
    )
    what.add_argument(
        "--steps",
        "--num-steps",
        nargs="+",
        type=positive_number,
        default=[32],
        metavar="T",
        help="time steps of a decision (32)",
    )
    what.add_argument(
        "--percentiles",
        nargs="+",
        type=_percentile,
        default=[None],
        metavar="P",
        help="of the activations, in (1, 100], or own for the recipe's (own)",
    )
    what.add_argument(
        "--seeds",
        nargs="+",
        type=natural_number,
        default=[0],
        metavar="N",
        help="each has a calibration and episodes of its own (0)",
    )
    what.add_argument(
        "--perturbations",
        nargs="+",
        default=["none"],
        metavar="NAME",
        help="what spoils observations or weights: bar=40, gaussian=0.1, salt_and_pepper=0.05, weights=0.1 (none)",
    )
    what.add_argument(
        "--episodes", type=positive_number, default=50, metavar="N", help="episodes of each seed (50)"
    )


def _add_conditions(parser: argparse.ArgumentParser) -> None:
    conditions = parser.add_argument_group("conditions, one set of them in a directory")
    conditions.add_argument(
        "--epsilon", type=probability, default=0.05, metavar="P", help="probability of a random action (0.05)"
    )
    conditions.add_argument(
        "--observations",
        type=positive_number,
        default=5000,
        metavar="N",
        help="observations of the DQN's play to calibrate on (5000)",
    )
    conditions.add_argument(
        "--max-episode-steps", type=positive_number, metavar="N", help="ends an episode (no limit of ours)"
    )


def _add_how(parser: argparse.ArgumentParser) -> None:
    how = parser.add_argument_group("how")
    how.add_argument(
        "--jobs", type=positive_number, default=1, metavar="N", help="processes of one thread each (1)"
    )
    how.add_argument(
        "--backend", choices=BACKENDS, default="loky", help="joblib's, for a cluster: dask or ray (loky)"
    )
    how.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="of the scheduler of Dask or Ray (one on this machine with so many --jobs)",
    )
    how.add_argument(
        "--batch",
        type=positive_number,
        default=1,
        metavar="N",
        help="episodes that are played side by side (1)",
    )
    how.add_argument(
        "--engine",
        type=engine_name,
        default="auto",
        metavar="ENGINE",
        help="how networks are simulated (auto); dqn2snn info lists engines",
    )
    how.add_argument(
        "--output",
        type=Path,
        default=Path("bench-output"),
        metavar="DIR",
        help="where to write (bench-output)",
    )
    how.add_argument("--report-only", action="store_true", help="play nothing, report what is there")
    add_json(how, "report.json")


def run(args: argparse.Namespace) -> Report:
    """Run the benchmark, or only report.

    Args:
        args: The arguments.

    Returns:
        Report: The numbers of all games.

    Raises:
        Dqn2SnnError: If something broke in some episodes; all others are kept.
        KeyboardInterrupt: After Ctrl-C, when what was finished is kept.
    """
    from dqn2snn._utils.extras import require

    for module in ("matplotlib", "scipy"):  # before the work rather than after it
        require(module, extra="bench")
    from dqn2snn.benchmark import read, references_of, report_text, summarise, write_report

    results = read(args.output) if args.report_only else _play(args)
    summary = summarise(results, references_of(sorted({unit.agent for unit, _ in results.episodes})))
    write_report(summary, args.output)
    return Report(summary.to_dict(), f"{report_text(summary)}\n\nWrote {args.output}.")


def _play(args: argparse.Namespace) -> Results:
    from dqn2snn.benchmark import run as play

    try:
        results, broken = play(
            _settings(args), args.output, jobs=args.jobs, backend=args.backend, address=args.cluster
        )
    except KeyboardInterrupt:
        print("dqn2snn: finished episodes are kept; the same command goes on from here", file=sys.stderr)
        raise
    for each in broken:
        print(f"dqn2snn: {each}", file=sys.stderr)
    if broken:
        raise Dqn2SnnError(
            f"Expected every episode to be played. Found that {len(broken)} broke, for the reasons above. All others "
            "are kept: report them by --report-only, or run the same command again."
        )
    return results


def _settings(args: argparse.Namespace) -> Settings:
    from dqn2snn.benchmark import Conditions, Settings

    settings = Settings(
        recipes=tuple(args.recipes),
        num_steps=tuple(args.steps),
        percentiles=tuple(args.percentiles),
        seeds=tuple(args.seeds),
        perturbations=tuple(args.perturbations),
        episodes=args.episodes,
        conditions=Conditions(args.epsilon, args.observations, args.max_episode_steps),
        engine=args.engine,
        batch=args.batch,
    )
    from dataclasses import replace

    return replace(settings, agents=tuple(args.agents)) if args.agents else settings


def _percentile(text: str) -> float | None:
    """A number, or `own`."""
    if text == "own":
        return None
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a percentile, or own. Found {text!r}") from None
