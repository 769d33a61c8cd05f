"""Timing several functions against each other: one process, interleaved rounds, CPU time and wall time."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

__all__ = ["Budget", "Sample", "Timing", "time_together"]

Call = Callable[[], Tensor]

_UNSURE = 0.1
"""Below so many seconds a first call says little about the second: libraries choose their kernels in it."""


@dataclass(frozen=True)
class Budget:
    """How long to measure.

    Attributes:
        sample: Seconds of a sample, at least; short calls are repeated within one.
        contestant: Seconds for each contestant in each cell, as far as whole calls allow.
        long_call: A call of more seconds is timed once, the first time.
        longest_call: A call that would take more seconds is not made.
        rounds: Samples of each contestant in each cell, at least and at most.
        memory: Bytes that a contestant may need, as far as can be told beforehand.
    """

    sample: float = 0.005
    contestant: float = 0.25
    long_call: float = 1.5
    longest_call: float = 12.0
    rounds: tuple[int, int] = (2, 9)
    memory: int = 8 * 2**30


@dataclass(frozen=True)
class Sample:
    """Seconds of one call."""

    cpu: float
    wall: float


@dataclass(frozen=True)
class Timing:
    """Seconds of a call, over all samples."""

    cpu_min: float
    cpu_median: float
    wall_min: float
    wall_median: float
    samples: int
    calls_a_sample: int

    @staticmethod
    def of(samples: list[Sample], calls: int) -> Timing:
        """Summarise samples."""
        cpu, wall = [sample.cpu for sample in samples], [sample.wall for sample in samples]
        return Timing(
            min(cpu), statistics.median(cpu), min(wall), statistics.median(wall), len(samples), calls
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, times to four digits, which is more than a repetition reproduces."""
        return {
            name: float(f"{value:.4g}") if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


def time_together(calls: Mapping[str, Call], budget: Budget) -> tuple[dict[str, Timing], dict[str, Tensor]]:
    """Time functions in turns, so that whatever else the machine does meets all of them alike.

    Everybody is called once before, which also says how many rounds the budget allows. In each round everybody has a
    turn, each time beginning with another one.

    Args:
        calls: The functions, by name.
        budget: How long to measure.

    Returns:
        tuple[dict[str, Timing], dict[str, Tensor]]: Timings, and what the first calls returned.

    Example:
        >>> import torch
        >>> x = torch.ones(10)
        >>> timings, results = time_together({"sum": lambda: x.sum()}, Budget(sample=0.0, contestant=0.001))
        >>> results["sum"], timings["sum"].cpu_min <= timings["sum"].cpu_median
        (tensor(10.), True)
    """
    with _without_garbage_collection():
        results: dict[str, Tensor] = {}
        turns = {name: _Turns.after_a_first_call(call, name, results, budget) for name, call in calls.items()}
        order = list(turns)
        for number in range(max((turn.rounds for turn in turns.values()), default=0)):
            start = number % len(order)
            for name in order[start:] + order[:start]:
                turns[name].take(number)
    return {name: Timing.of(turn.samples, turn.calls) for name, turn in turns.items()}, results


@dataclass
class _Turns:
    """One function's turns: how many, how many calls in each, and what they took."""

    call: Call
    rounds: int
    calls: int
    samples: list[Sample]

    @staticmethod
    def after_a_first_call(call: Call, name: str, results: dict[str, Tensor], budget: Budget) -> _Turns:
        def first() -> Tensor:
            results[name] = call()
            return results[name]

        sample = _sample(first, 1)
        if sample.wall > budget.long_call:
            return _Turns(call, 0, 1, [sample])
        wall = min(sample.wall, _sample(call, 1).wall) if sample.wall < _UNSURE else sample.wall
        calls = max(1, math.ceil(budget.sample / max(wall, 1e-9)))
        least, most = budget.rounds
        rounds = max(least, min(most, int(budget.contestant / max(calls * wall, 1e-9))))
        return _Turns(call, rounds, calls, [])

    def take(self, number: int) -> None:
        if number < self.rounds:
            self.samples.append(_sample(self.call, self.calls))


def _sample(call: Call, calls: int) -> Sample:
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(calls):
        call()
    return Sample((time.process_time() - cpu) / calls, (time.perf_counter() - wall) / calls)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
