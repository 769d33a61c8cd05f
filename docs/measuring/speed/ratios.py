"""Times of one cell beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Clock", "Comparison", "comparisons", "correct_peers", "incorrect", "seconds_of"]

Clock = Literal["cpu", "wall"]


@dataclass(frozen=True)
class Comparison:
    """One cell, as ratios of the least times over all rounds.

    Attributes:
        network: Its name.
        threads: Threads of torch.
        batch: B.
        num_steps: T.
        peer: The fastest peer with the reference's spikes; None if nobody was timed. Loops of other libraries around
            neurons of dqn2snn are not peers.
        to_peer: How many times as fast as that peer each engine of dqn2snn is.
        to_dqn: How many forward passes of the DQN the same decisions take, for each engine.
    """

    network: str
    threads: int
    batch: int
    num_steps: int
    peer: str | None
    to_peer: Mapping[str, float]
    to_dqn: Mapping[str, float]


def comparisons(
    results: Mapping[str, Any], clock: Clock = "cpu", *, every_step: bool = False
) -> Iterator[Comparison]:
    """Compare the engines of dqn2snn with the fastest correct peer and with the DQN, in every cell.

    Args:
        results: The content of the JSON file.
        clock: CPU time or wall time.
        every_step: Compare with the fastest of those peers that compute the first layer at every step.

    Yields:
        Comparison: One for each cell, in order.
    """
    for cell in results["cells"]:
        seconds = seconds_of(cell, clock)
        correct = [name for name in correct_peers(results, cell["network"]) if name in seconds]
        forms = [name for name in correct if results["contestants"][name]["every_step"] or not every_step]
        peers = {name: seconds[name] for name in forms}
        fastest = min(peers, key=peers.__getitem__, default=None)
        own = {name: seconds[name] for name in _of_kind(results, "own") if name in seconds}
        dqn = min((seconds[name] for name in _of_kind(results, "dqn") if name in seconds), default=None)
        yield Comparison(
            cell["network"],
            cell["threads"],
            cell["batch"],
            cell["num_steps"],
            fastest,
            {} if fastest is None else {name: peers[fastest] / value for name, value in own.items()},
            {} if dqn is None else {name: value / dqn for name, value in own.items()},
        )


def seconds_of(cell: Mapping[str, Any], clock: Clock = "cpu") -> dict[str, float]:
    """Least seconds of a call, of everybody who was timed in a cell."""
    key = f"{clock}_min"
    return {name: entry[key] for name, entry in cell["contestants"].items() if key in entry}


def correct_peers(results: Mapping[str, Any], network: str) -> list[str]:
    """The peers whose spikes are those of the reference."""
    wrong = incorrect(results, network)
    checks = results["networks"][network]["checks"]
    return [name for name in _of_kind(results, "peer") if name in checks and name not in wrong]


def incorrect(results: Mapping[str, Any], network: str) -> dict[str, dict[str, Any]]:
    """The others: those who differ from the reference in the check, or from a correct engine in some cell.

    Args:
        results: The content of the JSON file.
        network: Its name.

    Returns:
        dict[str, dict[str, Any]]: What the check found, and "in_cells", the outputs that differ in all cells together.
    """
    found = {}
    for name, outcome in results["networks"][network]["checks"].items():
        in_cells = sum(
            cell["contestants"].get(name, {}).get("differing_outputs", 0)
            for cell in results["cells"]
            if cell["network"] == network
        )
        if in_cells or not outcome["equal"]:
            found[name] = {**outcome, "in_cells": in_cells}
    return found


def _of_kind(results: Mapping[str, Any], kind: str) -> list[str]:
    return [name for name, entry in results["contestants"].items() if entry["kind"] == kind]
