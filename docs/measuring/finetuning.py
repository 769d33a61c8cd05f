"""`python docs/measure.py finetuning`: where fine-tuning beats corrections in closed form, and where it does not.

The same plan, of `rate`, is corrected by least squares or fine-tuned in each way on the same observations, and judged
on held-out states. Writes a line of JSON for each cell to DIR/finetuning.jsonl; what is there is not measured again.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from dqn2snn._utils.arguments import Parser, positive_number
from dqn2snn._utils.table import format_table
from dqn2snn.benchmark._schedule import Task, carry_out
from dqn2snn.benchmark._spread import spreading
from dqn2snn.benchmark._store import Entry, append
from dqn2snn.io import zoo
from dqn2snn.metrics import ActionAgreement, GapWeightedAgreement, Regret
from dqn2snn.network import SpikingQNetwork
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.plan.grid import on_grid
from dqn2snn.recipes import entry_named, names_of, rate
from dqn2snn.recipes.correction import ridge, ridge_all
from dqn2snn.tracing import trace
from dqn2snn.tracing.calibration import calibrate
from measuring.table.settings import Conditions
from measuring.table.subject import Subject, subject

__all__ = ["WAYS", "main", "read", "table"]

Change = Callable[..., SpikingPlan]

WAYS: Final[dict[str, Change | None]] = {
    "none": None,
    "ridge": ridge,
    "ridge_all": ridge_all,
    **{name: entry_named(name, "finetuning").function for name in names_of("finetuning")},
}
"""What is done to the plan of a recipe, by name."""

AGENTS = ("acrobot", "cartpole", "lunarlander", "minatar-breakout")
STEPS = (2, 8)


def main(argv: Sequence[str]) -> int:
    """Measure what is missing and print the table.

    Args:
        argv: The arguments.

    Returns:
        int: The exit status: 0; 1 if something broke in a cell, which is then missing.
    """
    args = _parser().parse_args(argv)
    args.output.mkdir(parents=True, exist_ok=True)
    path = args.output / "finetuning.jsonl"
    done = {(entry["agent"], entry["num_steps"], entry["way"]) for entry in read(path)}
    wanted = list(itertools.product(args.agents, args.steps, WAYS))
    todo = [Task("{} T={} {}".format(*cell), _measured, cell) for cell in wanted if cell not in done]
    with spreading(1) as spread:
        broken = carry_out(todo, lambda entries: append(path, entries), spread)
    sys.stdout.write(format_table(*table(read(path))) + "\n")
    sys.stderr.writelines(f"{reason}\n" for reason in broken)
    return 1 if broken else 0


def _parser() -> Parser:
    parser = Parser(prog="python docs/measure.py finetuning", description=__doc__, allow_abbrev=False)
    parser.add_argument("--agents", nargs="+", choices=zoo.names(), default=AGENTS, help="which (four)")
    parser.add_argument(
        "--steps", nargs="+", type=positive_number, default=STEPS, metavar="T", help="time steps (2 8)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("table-output"),
        metavar="DIR",
        help="where to write (table-output)",
    )
    return parser


def _measured(agent: str, num_steps: int, way: str) -> Iterator[Entry]:
    who = subject(agent, Conditions())
    graph = trace(who.agent, tuple(who.calibration.shape[1:]))
    stats = calibrate(graph, who.calibration, (99.9, 99.99))
    plan = rate(graph, stats, num_steps=num_steps, grid=None)
    began = time.process_time()
    plan = _changed(plan, graph, who, way)
    seconds = time.process_time() - began
    snn = SpikingQNetwork(on_grid(plan, "auto", stats.observation_magnitude))
    yield {
        "agent": agent,
        "num_steps": num_steps,
        "way": way,
        "cpu_seconds": round(seconds, 1),
        **_judged(snn, who),
    }


def _changed(plan: SpikingPlan, graph: LayerGraph, who: Subject, way: str) -> SpikingPlan:
    change = WAYS[way]
    return plan if change is None else change(plan, graph, who.calibration)


def _judged(snn: SpikingQNetwork, who: Subject) -> dict[str, float]:
    metrics = {
        "agreement": ActionAgreement(),
        "gap_weighted_agreement": GapWeightedAgreement(),
        "relative_regret": Regret(relative=True),
    }
    spikes = 0.0
    for batch in who.held_out.batches(in_order=False):
        record = snn.record(batch.observations)
        spikes += sum(float(sent.sum()) for sent in record.sent[:-1])
        for metric in metrics.values():
            metric.update(batch.q, record.q[-1], batch.episodes)
    neurons = sum(layer.affine.neurons for layer in snn.plan.layers)
    found = {name: metric.compute().mean for name, metric in metrics.items()}
    return {**found, "spikes_per_neuron": spikes / len(who.held_out.q) / neurons}


def read(path: Path) -> list[dict[str, Any]]:
    """All lines of a file, in order; none if it is not there."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def table(entries: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Agreement and, behind a stroke, the same weighed by what hangs on the decision, in per cent.

    Args:
        entries: Lines of the file; agents and steps for which all ways are there make a row.

    Returns:
        tuple[list[str], list[list[str]]]: Header and rows.
    """
    cells = {(entry["agent"], entry["num_steps"], entry["way"]): entry for entry in entries}
    rows = [
        [agent, str(steps), *(_cell(cells[agent, steps, way]) for way in WAYS)]
        for agent, steps in dict.fromkeys((agent, steps) for agent, steps, _ in cells)
        if all((agent, steps, way) in cells for way in WAYS)
    ]
    return ["agent", "T", *WAYS], rows


def _cell(entry: dict[str, Any]) -> str:
    return f"{100 * entry['agreement']:.1f} / {100 * entry['gap_weighted_agreement']:.1f}"
