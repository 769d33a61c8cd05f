"""Who is not timed in a cell, because it would take too long or too much memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dqn2snn.plan import SpikingPlan
from measuring.machine import available_memory
from measuring.speed.peers import Contestant
from measuring.speed.settings import Cell
from measuring.speed.timing import Budget

__all__ = ["too_much"]

_TENSORS = 4
"""How many tensors of all steps a contestant that keeps time holds at its peak: measured, three to four."""


def too_much(
    cell: Cell,
    contestant: Contestant,
    plan: SpikingPlan,
    budget: Budget,
    measured: Sequence[Mapping[str, Any]],
) -> str | None:
    """Why a contestant is not timed in a cell; None if it is.

    Args:
        cell: The cell.
        contestant: Who.
        plan: The spiking network.
        budget: How long a call may be, and how much memory it may take.
        measured: The cells so far, from which times are extrapolated.

    Returns:
        str | None: For people and for the raw file.
    """
    seconds = 0.0 if contestant.kind == "dqn" else _predicted_seconds(cell, contestant, measured)
    if seconds > budget.longest_call:
        return f"one call would take about {seconds:.0f} s, the budget is {budget.longest_call:g} s"
    if contestant.keeps_time:
        neurons = sum(layer.affine.neurons for layer in plan.layers)
        needed = _TENSORS * 4 * neurons * cell.num_steps * cell.batch
        allowed = min(budget.memory, available_memory() // 2)
        if needed > allowed:
            return f"would need about {needed / 2**30:.0f} GiB, the budget is {allowed / 2**30:.0f} GiB"
    return None


def _predicted_seconds(cell: Cell, contestant: Contestant, measured: Sequence[Mapping[str, Any]]) -> float:
    """What a call will take, in proportion to the nearest smaller cell; 0 where there is none."""
    known = [
        (place.batch == cell.batch, place.num_steps * place.batch, entry["wall_min"])
        for place, entry in _timed(measured, contestant.name)
        if (place.network, place.threads) == (cell.network, cell.threads)
        and place.batch <= cell.batch
        and place.num_steps <= cell.num_steps
    ]
    if not known:
        return 0.0
    _, size, seconds = max(known)
    return float(seconds) * cell.num_steps * cell.batch / size


def _timed(measured: Sequence[Mapping[str, Any]], name: str) -> Iterator[tuple[Cell, Mapping[str, Any]]]:
    for entry in measured:
        found = entry["contestants"].get(name, {})
        if "wall_min" in found:
            yield Cell.of(entry), found
