"""Measure what few-bit weights cost agents, with rounding to the nearest and with calibration.

    python docs/measure.py quantization --output docs/results/quantization.json
    python docs/measure.py fill hardware

Agents of the zoo are converted by the recipe `rate`. Their plans are quantised to 8 and to 4 bits, with an exponent
for each channel and for each layer. Agreement with the DQN is counted on states of other games than those that it was
calibrated on, and given with its 95 % interval over games. Beside it: what each plan needs of chips, and what a
decision costs. Needs the extras `gym` and `atari`, and a clone of the repository for the Atari agents.
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
from dqn2snn import SpikingPlan, SpikingQNetwork
from dqn2snn.analysis.hardware import DEVICES, ENERGY_MODELS, decision_cost, footprint, place, quantize
from dqn2snn.play.collect import Rollout
from dqn2snn.play.study import fresh_rollout, study_agreement
from measuring.machine import versions

AGENTS = ("cartpole", "acrobot", "lunarlander", "minatar-breakout", "minatar-asterix", "RoadRunner", "Krull")
BITS = (8, 4)
COSTED = 64  # states of which the cost of a decision is the mean


def main(argv: Sequence[str]) -> None:
    """Convert, quantise, measure and write.

    Args:
        argv: The arguments.
    """
    parser = argparse.ArgumentParser(
        prog="python docs/measure.py quantization",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="JSON to write")
    parser.add_argument("--agents", nargs="+", default=AGENTS, metavar="NAME", help="of the zoo")
    parser.add_argument("--steps", type=int, default=32, help="time steps of a decision (32)")
    parser.add_argument("--observations", type=int, default=4_000, help="to calibrate on, and to test (4000)")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    agents = [
        measured(name, args.steps, args.observations)
        for name in tqdm(args.agents, desc="agents", unit="agent")
    ]
    result = {
        "steps": args.steps,
        "observations": args.observations,
        "versions": versions(["dqn2snn"]),
        "agents": agents,
    }
    args.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def measured(name: str, steps: int, count: int) -> dict[str, Any]:
    """Agreement, needs and costs of one agent."""
    dqn = dqn2snn.load_q_network(name)
    observations = dqn2snn.collect_observations(dqn, count, seed=0)
    fresh = fresh_rollout(dqn, count)
    plan = dqn2snn.convert(dqn, observations, num_steps=steps).plan
    rows = [quantised(plan, observations, fresh, bits, per) for bits in BITS for per in ("channel", "layer")]
    return {
        "agent": name,
        "agreement": agreement(plan, fresh),
        "quantised": rows,
        **needs(quantize(plan, 8, observations=observations), fresh.observations[:COSTED]),
    }


def quantised(plan: SpikingPlan, seen: Tensor, fresh: Rollout, bits: int, per: Any) -> dict[str, Any]:
    """Agreement of both ways of rounding."""
    return {
        "bits": bits,
        "per": per,
        "nearest": agreement(quantize(plan, bits, per=per), fresh),
        "calibrated": agreement(quantize(plan, bits, per=per, observations=seen), fresh),
    }


def agreement(plan: SpikingPlan, fresh: Rollout) -> dict[str, float]:
    """With the DQN, clustered by game."""
    last = study_agreement(SpikingQNetwork(plan), fresh, progress=False).curve.robust[-1]
    return {"mean": last.mean, "low": last.low, "high": last.high}


def needs(plan: SpikingPlan, states: Tensor) -> dict[str, Any]:
    """What a plan of 8 bits takes of chips, and what its decisions cost."""
    total, cost = footprint(plan), decision_cost(plan, SpikingQNetwork(plan).record(states))
    return {
        "neurons": total.neurons,
        "synapses": total.synapses,
        "weight_bytes": total.weight_bytes,
        "membrane_bits": max(layer.membrane_bits or 0 for layer in total.layers),
        "devices": {
            key: {"cores": sum(found.cores), "obstacles": found.obstacles}
            for key in DEVICES
            for found in [place(plan, key)]
        },
        "synaptic_operations": cost.synaptic_operations,
        "dqn_macs": plan.dqn_macs,
        "joules": {key: cost.joules(key) for key in ENERGY_MODELS},
    }
