"""Measure what codes reach: agreement with the DQN, error of its Q-values and spikes, over the number of steps.

    python docs/measure.py codes --output docs/results/codes.json
    python docs/measure.py fill codes

Agents are converted without training by each recipe for each number of steps, delays included, from the same
observations. Agreement is counted on states of other games, with its 95 % interval over games. The error is the mean
over states of the largest error of a difference of Q-values, in units of their mean gap between the two best actions.
Needs the extra `atari`, and a clone of the repository for the Atari agents.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

import dqn2snn
from dqn2snn import zoo
from dqn2snn.metrics import ActionAgreement
from dqn2snn.play.collect import Rollout
from dqn2snn.play.study import fresh_rollout
from measuring.machine import versions

AGENTS = (*zoo.names(), "Breakout", "RoadRunner", "VideoPinball", "BeamRider", "Jamesbond")
STEPS = {
    "digits": (4, 6, 8, 10),
    "digits:max_spikes=1": (8, 16, 19),
    "rate": (16, 64),
    "burst:max_spikes=3": (10,),
    "leaky:beta=0.95": (32,),
    "leaky:beta=0.9": (32,),
    "rate_if+none": (32,),
    "tan2021": (64, 500),
}
"""Recipes, and the steps of each."""
CALIBRATION = 4_000
BATCH = 256


def main(argv: Sequence[str]) -> None:
    """Convert, measure and write.

    Args:
        argv: The arguments.
    """
    parser = argparse.ArgumentParser(
        prog="python docs/measure.py codes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="JSON to write; it goes on there"
    )
    parser.add_argument("--agents", nargs="+", default=AGENTS, metavar="NAME", help="of the zoo")
    parser.add_argument("--recipes", nargs="+", default=tuple(STEPS), choices=tuple(STEPS), metavar="RECIPE")
    parser.add_argument("--observations", type=int, default=1_000, help="to test (1000)")
    args = parser.parse_args(argv)
    if not args.output.parent.is_dir():  # before the work rather than after it
        parser.error(f"Expected --output in a directory that is there. Found none at {args.output.parent}.")
    torch.set_num_threads(1)
    rows = json.loads(args.output.read_text(encoding="utf-8"))["rows"] if args.output.exists() else []
    done = {(row["agent"], row["recipe"], row["num_steps"]) for row in rows}
    for name in tqdm(args.agents, desc="agents", unit="agent"):
        wanted = [(r, t) for r in args.recipes for t in STEPS[r] if (name, r, t) not in done]
        if wanted:
            rows += _rows(name, wanted, args.observations)
            result = {"observations": args.observations, "versions": versions(["dqn2snn"]), "rows": rows}
            args.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _rows(name: str, wanted: Sequence[tuple[str, int]], count: int) -> list[dict[str, Any]]:
    dqn = dqn2snn.load_q_network(name)
    seen, fresh = dqn2snn.collect_observations(dqn, CALIBRATION, seed=0), fresh_rollout(dqn, count)
    with torch.no_grad():
        q_dqn = torch.cat([dqn(batch) for batch in fresh.observations.split(BATCH)])
    return [_row(name, dqn, seen, fresh, q_dqn, recipe, steps) for recipe, steps in wanted]


def _row(
    name: str, dqn: torch.nn.Module, seen: Tensor, fresh: Rollout, q_dqn: Tensor, recipe: str, num_steps: int
) -> dict[str, Any]:
    snn = dqn2snn.convert(dqn, seen, recipe=recipe, num_steps=num_steps, progress=False)
    q, spikes = [], 0.0
    for batch in fresh.observations.split(BATCH):
        record = snn.record(batch, progress=False)
        q.append(record.q[-1])
        spikes += sum(float(sent.double().sum()) for sent in record.sent[:-1])
    metric = ActionAgreement()
    metric.update(q_dqn, torch.cat(q), fresh.episode_ids)
    found = metric.compute()
    error = torch.cat(q) - q_dqn
    best = q_dqn.topk(2, dim=1).values
    gap = float((best[:, 0] - best[:, 1]).mean())
    neurons = sum(layer.affine.neurons for layer in snn.plan.layers)
    return {
        "agent": name,
        "recipe": recipe,
        "num_steps": num_steps,
        "spikes_kind": snn.plan.spikes_kind,
        "delays": [layer.delay for layer in snn.plan.layers],
        "agreement": {"mean": found.mean, "low": found.low, "high": found.high},
        "error": float((error.amax(1) - error.amin(1)).mean()) / gap,
        "spikes": spikes / len(fresh.observations) / neurons,
    }
