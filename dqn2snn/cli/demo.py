"""`dqn2snn demo`: the shipped agents converted, measured and drawn."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dqn2snn._utils.arguments import Parser, natural_number, positive_number
from dqn2snn.cli._arguments import add_json
from dqn2snn.cli._parser import Commands
from dqn2snn.cli._report import Report

if TYPE_CHECKING:
    from dqn2snn.cli._demo import DemoSettings


def add(commands: Commands[Parser]) -> None:
    """Add the command to a parser.

    Args:
        commands: The subparsers.
    """
    parser = commands.add_parser(
        "demo",
        help="convert the shipped agents, measure, play and draw",
        description="Converts the shipped agents by the recipe tan2021 at T = 500, lets DQN and spiking network "
        "play the same 50 episodes, and prints scores and agreement. Takes about five minutes on two cores. "
        "Writes results.json, table.md, agreement.png, raster.png and playing.gif.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--output", type=Path, default=Path("demo-output"), metavar="DIR", help="where to write (demo-output)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="three agents, 100 steps, 10 episodes: half a minute"
    )
    parser.add_argument("--agents", nargs="+", metavar="AGENT", help="some of the shipped agents (all)")
    parser.add_argument(
        "--steps", "--num-steps", type=positive_number, metavar="T", help="time steps of a decision (500)"
    )
    parser.add_argument("--episodes", type=positive_number, metavar="N", help="episodes of each network (50)")
    parser.add_argument(
        "--seed", type=natural_number, default=0, metavar="N", help="determines all episodes (0)"
    )
    add_json(parser, "results.json")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> Report:
    """Run the demonstration.

    Args:
        args: The arguments.

    Returns:
        Report: The table.
    """
    from dqn2snn.cli._demo import run_demo, text_table

    results = run_demo(args.output, _settings(args), tell=lambda message: print(message, file=sys.stderr))
    return Report(results, f"{text_table(results)}\n\nWrote {args.output}.")


def _settings(args: argparse.Namespace) -> DemoSettings:
    from dataclasses import replace

    from dqn2snn.cli._demo import DemoSettings

    given = {"agents": args.agents and tuple(args.agents), "num_steps": args.steps, "episodes": args.episodes}
    changes = {name: value for name, value in given.items() if value is not None}
    return replace(DemoSettings.quick() if args.quick else DemoSettings(), seed=args.seed, **changes)
