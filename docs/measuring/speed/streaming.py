"""`python docs/measure.py streaming`: a decision of a network that remembers, in forward passes of its DQN.

Both decide the frames of one game in order, one frame at a time on one thread, in interleaved rounds of one process.
The DQN runs in the faster of two memory layouts. Writes `streaming.json`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from dqn2snn._utils.arguments import Parser
from dqn2snn._utils.table import format_table
from dqn2snn.conversion import convert
from dqn2snn.io.checkpoints import load_q_network
from dqn2snn.network import SpikingQNetwork
from dqn2snn.recipes import Recipe
from measuring.machine import machine, versions
from measuring.speed.atari import ordered_play
from measuring.speed.nature import nature_network, with_rates

__all__ = ["KINDS", "main", "measure", "table"]

KINDS = ((64, 8, 4), (64, 8, 8), (16, 1, 4), (16, 1, 8))
"""Levels, spikes a step at most, and time steps."""

FRAMES, ROUNDS, RATE = 300, 9, 0.07


def main(argv: Sequence[str]) -> None:
    """Time every stream.

    Args:
        argv: The arguments.
    """
    args = _parser().parse_args(argv)
    frames = ordered_play(args.game, 2 * FRAMES)
    networks: dict[str, nn.Module] = {"Nature": with_rates(nature_network(), frames[::4].float(), RATE)}
    if args.agent is not None:
        trained = load_q_network(args.agent)
        networks[trained.name] = trained
    results = {
        "format_version": 1,
        "game": args.game,
        "machine": machine(),
        "versions": versions(()),
        "networks": {name: measure(network, frames) for name, network in networks.items()},
    }
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "streaming.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write((json.dumps(results) if args.json else format_table(*table(results))) + "\n")


def _parser() -> Parser:
    parser = Parser(prog="python docs/measure.py streaming", description=__doc__, allow_abbrev=False)
    parser.add_argument("--output", type=Path, default=Path("speed-output"), metavar="DIR")
    parser.add_argument("--game", default="road_runner", help="one of ale-py's ROMs (road_runner)")
    parser.add_argument("--agent", metavar="AGENT", help="a trained agent beside the Nature network")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    return parser


def measure(network: nn.Module, frames: Tensor, rounds: int = ROUNDS) -> dict[str, Any]:
    """Time decisions on the second half of the frames; the first half calibrates.

    Args:
        network: The DQN.
        frames: `[N, *input_shape]` uint8, in order.
        rounds: Samples of each contestant.

    Returns:
        dict[str, Any]: CPU seconds of a decision in each round, and of each stream its spikes and its agreement.
    """
    calibration, shown = frames[: len(frames) // 2].float(), [x[None] for x in frames[len(frames) // 2 :]]
    networks = {_name(*kind): _converted(network, calibration, *kind) for kind in KINDS}
    dqn = network.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    floats = [x.float() for x in shown]
    players: dict[str, tuple[Callable[[Tensor], Tensor], list[Tensor]]] = {
        "DQN": (dqn, floats),
        "DQN, channels last": (dqn, [x.contiguous(memory_format=torch.channels_last) for x in floats]),
        **{name: (snn.stream().step, shown) for name, snn in networks.items()},
    }
    threads_before = torch.get_num_threads()
    torch.set_num_threads(1)
    seconds: dict[str, list[float]] = {name: [] for name in players}
    try:
        for _ in tqdm(range(rounds), desc="decide", leave=False, disable=None):
            for name, (play, seen) in players.items():
                play(seen[0])  # a stream has come back to where it begins
                seconds[name].append(_seconds(play, seen))
    finally:
        torch.set_num_threads(threads_before)
    best = [int(dqn(x).argmax()) for x in floats]
    return {"cpu": seconds, "streams": {name: _watched(snn, shown, best) for name, snn in networks.items()}}


def _seconds(play: Callable[[Tensor], Tensor], seen: list[Tensor]) -> float:
    began = process_time()
    for x in seen:
        play(x)
    return (process_time() - began) / len(seen)


def _converted(
    dqn: nn.Module, observations: Tensor, levels: int, most: int, num_steps: int
) -> SpikingQNetwork:
    recipe = Recipe("sigma_delta", levels=levels, max_spikes=most, threshold="max")
    return convert(dqn, observations, recipe=recipe, num_steps=num_steps)


def _watched(snn: SpikingQNetwork, seen: list[Tensor], best: list[int]) -> dict[str, Any]:
    """What a stream sends for a decision, without the first, and how often it decides like the DQN."""
    stream = snn.stream()
    records = [stream.record(x) for x in seen]
    sent = sum(float(layer.sum()) for record in records[1:] for layer in record.sent[:-1])
    neurons = sum(layer.affine.neurons for layer in snn.plan.layers)
    same = sum(int(record.q[-1].argmax()) == action for record, action in zip(records, best, strict=True))
    return {
        "engine": snn.engine_in_use.name,
        "spikes per neuron": sent / (len(seen) - 1) / neurons,
        "agreement": same / len(seen),
        "decisions": len(seen),
    }


def _name(levels: int, most: int, num_steps: int) -> str:
    return f"L={levels} k={most} T={num_steps}"


def table(results: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """CPU time of a decision as a share of a forward pass of the DQN, by the least and the median round.

    Args:
        results: The content of the JSON file.

    Returns:
        tuple[list[str], list[list[str]]]: Header, and a row for each network and stream.
    """
    rows = []
    for network, found in results["networks"].items():
        for name, watched in found["streams"].items():
            shares = [
                pick(found["cpu"][name])
                / min(pick(found["cpu"][dqn]) for dqn in ("DQN", "DQN, channels last"))
                for pick in (min, _median)
            ]
            rows.append(
                [
                    network,
                    name,
                    *(f"{share:.2f}" for share in shares),
                    f"{watched['spikes per neuron']:.2f}",
                    f"{100 * watched['agreement']:.1f}",
                ]
            )
    header = ["network", "sigma_delta", "DQN passes, least", "median", "spikes per neuron", "same action %"]
    return header, rows


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]
