"""`python docs/measure.py speed`: how fast a spiking decision is, beside other libraries and the DQN.

One spiking network, the same observations, one process. Everybody's spike counts are compared with the float64
reference before anybody is timed. Writes `speed.json` after every cell, and `speed.png` at the end.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tqdm.auto import tqdm

from dqn2snn._utils.arguments import Parser, positive_number
from dqn2snn.errors import CheckpointError, MissingExtraError
from measuring.speed.picture import draw
from measuring.speed.report import text
from measuring.speed.run import FORMAT_VERSION, Results, run
from measuring.speed.settings import Settings, cells, described

__all__ = ["main"]

DATA, PICTURE = "speed.json", "speed.png"


def main(argv: Sequence[str]) -> None:
    """Check, time and weigh everybody.

    Args:
        argv: The arguments.
    """
    # SpikingJelly's import makes torch report a missing Triton.
    logging.getLogger("torch").setLevel(logging.ERROR)
    args = _parser().parse_args(argv)
    results = _run(args, _settings(args))
    sys.stdout.write((json.dumps(results, indent=1) if args.json else text(results)) + "\n")


def _parser() -> Parser:
    parser = Parser(prog="python docs/measure.py speed", description=__doc__, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="two small agents, few steps: half a minute")
    parser.add_argument(
        "--networks", nargs="+", metavar="NETWORK", help="nature, agents, or directories with one"
    )
    parser.add_argument(
        "--steps", nargs="+", type=positive_number, metavar="T", help="time steps (4 16 64 500)"
    )
    parser.add_argument(
        "--batches", nargs="+", type=positive_number, metavar="B", help="batch sizes (1 32 256)"
    )
    parser.add_argument("--threads", nargs="+", type=positive_number, metavar="N", help="torch threads (1 2)")
    parser.add_argument(
        "--every-step",
        action="store_true",
        help="peers also with the first layer at every step, as in tutorials",
    )
    parser.add_argument("--no-memory", action="store_true", help="do not measure memory")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("speed-output"),
        metavar="DIR",
        help="where to write (speed-output)",
    )
    parser.add_argument("--resume", action="store_true", help="keep the cells that are in DIR already")
    parser.add_argument("--json", action="store_true", help="print the JSON instead of the table")
    return parser


def _settings(args: argparse.Namespace) -> Settings:
    settings = Settings.quick() if args.quick else Settings()
    return replace(
        settings,
        networks=tuple(args.networks or settings.networks),
        num_steps=tuple(args.steps or settings.num_steps),
        batches=tuple(args.batches or settings.batches),
        threads=tuple(args.threads or settings.threads),
        every_step=args.every_step,
        memory=None if args.no_memory else settings.memory,
    )


def _run(args: argparse.Namespace, settings: Settings) -> Results:
    args.output.mkdir(parents=True, exist_ok=True)
    target = args.output / DATA
    earlier = _earlier(target, settings) if args.resume and target.exists() else None
    done = 0 if earlier is None else len(earlier["cells"])
    with tqdm(total=sum(1 for _ in cells(settings)), initial=done, disable=None) as bar:

        def save(results: Results) -> None:
            _write(target, results)
            bar.update(len(results["cells"]) - bar.n)

        results = run(settings, earlier=earlier, save=save, tell=bar.set_description)
    _write(target, results)
    try:
        draw(results, args.output / PICTURE, min(settings.threads))
    except MissingExtraError as error:
        sys.stderr.write(f"measure.py speed: no picture: {error}\n")
    return results


def _earlier(path: Path, settings: Settings) -> Results:
    try:
        results: Results = json.loads(path.read_text(encoding="utf-8"))
        same = results["format_version"] == FORMAT_VERSION and results["settings"] == described(settings)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path}: Expected results to resume. Found: {error}. Remove the file."
        ) from None
    if not same:
        raise CheckpointError(
            f"{path}: Expected results of the same settings. Found others. Choose another --output."
        )
    return results


def _write(path: Path, results: Results) -> None:
    temporary = path.with_suffix(".part")
    temporary.write_text(_lines(results), encoding="utf-8")
    os.replace(temporary, path)


def _lines(results: Results) -> str:
    """JSON with a line for each cell, so that two runs can be compared line by line."""
    head = json.dumps({**results, "cells": []}, indent=1, allow_nan=False)
    cells_ = ",\n".join(f"  {json.dumps(cell, allow_nan=False)}" for cell in results["cells"])
    return head.replace('"cells": []', f'"cells": [\n{cells_}\n ]' if cells_ else '"cells": []') + "\n"
