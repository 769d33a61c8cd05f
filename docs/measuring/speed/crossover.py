"""`python docs/measure.py crossover`: at which firing rate a dense product overtakes the event engine.

The event engine's work grows with the number of spikes, a dense product's does not. Each layer of a network but the
first is measured by itself, over rates from 1 % to 90 % of its inputs. Writes `crossover.json`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from dqn2snn._utils.arguments import Parser
from dqn2snn._utils.table import format_table
from measuring.machine import machine, versions
from measuring.speed import workloads
from measuring.speed.probe import LayerTimes, measure
from measuring.speed.timing import Budget

__all__ = ["RATES", "crossing", "main", "table"]

RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)


def crossing(times: Sequence[LayerTimes]) -> float | None:
    """The rate at which events take as long as a dense product, between the two measured rates around it.

    Args:
        times: Of one layer, by rising rate.

    Returns:
        float | None: The rate; None if events are faster at all of them.

    Example:
        >>> crossing([LayerTimes(0.25, 1.0, 3.0), LayerTimes(0.75, 5.0, 3.0)])
        0.5
        >>> crossing([LayerTimes(0.1, 1.0, 3.0)])
    """
    before: LayerTimes | None = None
    for after in times:
        if after.event >= after.dense:
            if before is None:
                return after.rate
            lead, lag = before.dense - before.event, after.event - after.dense
            return before.rate + (after.rate - before.rate) * lead / (lead + lag)
        before = after
    return None


def main(argv: Sequence[str]) -> None:
    """Time every layer at every rate.

    Args:
        argv: The arguments.
    """
    args = _parser().parse_args(argv)
    results = _run(args.network, Budget(contestant=0.05 if args.quick else 0.5))
    args.output.mkdir(parents=True, exist_ok=True)
    data = json.dumps(results, indent=1)
    (args.output / "crossover.json").write_text(data + "\n", encoding="utf-8")
    sys.stdout.write((data if args.json else format_table(*table(results))) + "\n")


def _parser() -> Parser:
    parser = Parser(prog="python docs/measure.py crossover", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--network", default="nature", help="nature, an agent, or a directory with one (nature)"
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the time")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("speed-output"),
        metavar="DIR",
        help="where to write (speed-output)",
    )
    parser.add_argument("--json", action="store_true", help="print the JSON instead of the table")
    return parser


def _run(network: str, budget: Budget) -> dict[str, Any]:
    workload = workloads.load(network)
    threads_before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        layers: dict[str, list[LayerTimes]] = {}
        bar = tqdm([(layer, rate) for layer in workload.plan.layers[1:] for rate in RATES], disable=None)
        for layer, rate in bar:
            bar.set_description(f"{layer.name} at {rate:.0%}")
            layers.setdefault(layer.name, []).append(measure(layer, rate, budget))
    finally:
        torch.set_num_threads(threads_before)
    return {
        "format_version": 1,
        "machine": machine(),
        "versions": versions(()),
        "network": workload.name,
        "layers": {
            name: {"times": [asdict(each) for each in times], "crossing": crossing(times)}
            for name, times in layers.items()
        },
    }


def table(results: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Event-driven time as a share of dense time: what is below 1 is won.

    Args:
        results: The content of the JSON file.

    Returns:
        tuple[list[str], list[list[str]]]: Header, and a row for each layer.
    """
    layers = results["layers"].items()
    rates = [f"{time['rate']:.0%}" for time in next(iter(results["layers"].values()))["times"]]
    rows = [
        [
            name,
            *(f"{time['event'] / time['dense']:.2f}" for time in layer["times"]),
            "never" if layer["crossing"] is None else f"{layer['crossing']:.0%}",
        ]
        for name, layer in layers
    ]
    return [f"{results['network']}: events / dense", *rates, "equal at"], rows
