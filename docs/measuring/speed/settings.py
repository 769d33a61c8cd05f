"""What a run of the benchmark measures, and in which order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from measuring.speed import workloads
from measuring.speed.timing import Budget

__all__ = ["Cell", "Settings", "cells", "described"]


@dataclass(frozen=True)
class Settings:
    """What is measured.

    Attributes:
        networks: Names for `workloads.load`.
        num_steps: T, each of them.
        batches: B.
        threads: Threads of torch.
        every_step: Whether peers also take part in their second form, with the first layer at every step.
        check_steps: T of the comparison with the reference.
        check_counts: Spike counts that it has, about: the batch is as large as that, from 2 to 32.
        memory: T and B of the measurement of memory, which only the first network has; None for none.
        budget: How long to measure.
    """

    networks: tuple[str, ...] = ("nature", "cartpole", "lunarlander", "minatar-freeway")
    num_steps: tuple[int, ...] = (4, 16, 64, 500)
    batches: tuple[int, ...] = (1, 32, 256)
    threads: tuple[int, ...] = (1, 2)
    every_step: bool = False
    check_steps: int = workloads.NUM_STEPS
    check_counts: int = 50_000
    memory: tuple[int, int] | None = (500, 32)
    budget: Budget = field(default_factory=Budget)

    @staticmethod
    def quick() -> Settings:
        """Half a minute: small agents and few steps."""
        return Settings(
            networks=("cartpole", "minatar-freeway"),
            num_steps=(4, 16),
            batches=(1, 8),
            threads=(1,),
            check_steps=32,
            memory=None,
            budget=Budget(sample=0.002, contestant=0.02, rounds=(1, 3)),
        )


@dataclass(frozen=True)
class Cell:
    """One place in the table of results."""

    network: str
    threads: int
    batch: int
    num_steps: int

    @staticmethod
    def of(entry: Mapping[str, Any]) -> Cell:
        """The place of an entry of the JSON file."""
        return Cell(entry["network"], entry["threads"], entry["batch"], entry["num_steps"])


def described(settings: Settings) -> dict[str, Any]:
    """The settings as they are in the JSON file.

    Example:
        >>> described(Settings())["steps"]
        [4, 16, 64, 500]
    """
    plain: dict[str, Any] = json.loads(json.dumps(asdict(settings)))
    return {"steps" if name == "num_steps" else name: value for name, value in plain.items()}


def cells(settings: Settings) -> Iterator[Cell]:
    """All places, in the order in which they are measured: short calls say how long the long ones will take.

    Example:
        >>> len(list(cells(Settings())))
        96
    """
    for network in settings.networks:
        for threads in settings.threads:
            for batch in sorted(settings.batches):
                for num_steps in sorted(settings.num_steps):
                    yield Cell(network, threads, batch, num_steps)
