"""The whole benchmark, cell by cell, into one plain value that becomes the JSON file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from dqn2snn.benchmark import workloads
from dqn2snn.benchmark.checking import check, differing_outputs
from dqn2snn.benchmark.machine import available_memory, machine, versions
from dqn2snn.benchmark.memory import peak_memory
from dqn2snn.benchmark.peers import CONTESTANTS, Contestant, Simulation, UnavailableError, build
from dqn2snn.benchmark.timing import Budget, time_together
from dqn2snn.benchmark.workloads import Workload
from dqn2snn.engine import simulate_reference

__all__ = ["FORMAT_VERSION", "Cell", "Results", "Settings", "cells", "described", "run"]

FORMAT_VERSION = 1

Results = dict[str, Any]
"""The content of the JSON file."""

_JUDGE = "torch"
"""Whose output the others are compared with in every cell; it has been compared with the reference itself."""

_TENSORS = 4
"""How many tensors of all steps a contestant that keeps time holds at its peak: measured, three to four."""


@dataclass(frozen=True)
class Settings:
    """What is measured.

    Attributes:
        networks: Names for `workloads.load`.
        steps: T.
        batches: B.
        threads: Threads of torch.
        every_step: Whether peers also take part in their second form, with the first layer at every step.
        check_steps: T of the comparison with the reference.
        check_counts: Spike counts that it has, about: the batch is as large as that, from 2 to 32.
        memory: T and B of the measurement of memory, which only the first network has; None for none.
        budget: How long to measure.
    """

    networks: tuple[str, ...] = ("nature", "cartpole", "lunarlander", "minatar-freeway")
    steps: tuple[int, ...] = (4, 16, 64, 500)
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
            steps=(4, 16),
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


def described(settings: Settings) -> dict[str, Any]:
    """The settings as they are in the JSON file.

    Example:
        >>> described(Settings())["steps"]
        [4, 16, 64, 500]
    """
    plain: dict[str, Any] = json.loads(json.dumps(asdict(settings)))
    return plain


def cells(settings: Settings) -> Iterator[Cell]:
    """All places, in the order in which they are measured: short calls say how long the long ones will take.

    Example:
        >>> len(list(cells(Settings())))
        96
    """
    for network in settings.networks:
        for threads in settings.threads:
            for batch in sorted(settings.batches):
                for num_steps in sorted(settings.steps):
                    yield Cell(network, threads, batch, num_steps)


def run(
    settings: Settings,
    *,
    earlier: Results | None = None,
    save: Callable[[Results], None] = lambda results: None,
    tell: Callable[[str], None] = lambda message: None,
) -> Results:
    """Check, time and weigh everybody.

    Args:
        settings: What is measured.
        earlier: Results of a run with the same settings that was interrupted: its cells are not measured again.
        save: Is given the results after every cell.
        tell: Is told what happens next.

    Returns:
        Results: The content of the JSON file.
    """
    results = _begin(settings) if earlier is None else earlier
    contestants = _contestants(settings)
    done = {_place(entry) for entry in results["cells"]}
    threads_before = torch.get_num_threads()
    try:
        for name in settings.networks:
            todo = [cell for cell in cells(settings) if cell.network == name and cell not in done]
            if todo or not _has_memory(settings, results, name):
                tell(f"{name}: making it ready")
                workload = workloads.load(name)
                simulations = _admit(workload, contestants, settings, results, tell)
                for cell in todo:
                    tell(f"{name}: T={cell.num_steps} B={cell.batch}, {cell.threads} torch threads")
                    results["cells"].append(_measure(cell, workload, simulations, settings.budget, results))
                    save(results)
                _weigh(workload, contestants, settings, results, tell)
                save(results)
    finally:
        torch.set_num_threads(threads_before)
    return results


def _contestants(settings: Settings) -> tuple[Contestant, ...]:
    return tuple(each for each in CONTESTANTS if settings.every_step or not each.every_step)


def _begin(settings: Settings) -> Results:
    contestants = _contestants(settings)
    return {
        "format_version": FORMAT_VERSION,
        "machine": machine(),
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "versions": versions(contestant.package for contestant in contestants),
        "settings": described(settings),
        "contestants": {
            each.name: {
                "kind": each.kind,
                "package": each.package,
                "note": each.note,
                "every_step": each.every_step,
            }
            for each in contestants
        },
        "networks": {},
        "cells": [],
        "memory": {},
    }


def _admit(
    workload: Workload,
    contestants: tuple[Contestant, ...],
    settings: Settings,
    results: Results,
    tell: Callable[[str], None],
) -> dict[Contestant, Simulation]:
    """Build everybody who can take part, and compare their spikes with the reference."""
    torch.set_num_threads(max(settings.threads))
    plan = workload.plan
    neurons = sum(layer.affine.neurons for layer in plan.layers)
    observations = workload.batch(max(2, min(32, settings.check_counts // neurons)))
    with torch.no_grad():
        reference = simulate_reference(plan, observations, settings.check_steps)
    simulations: dict[Contestant, Simulation] = {}
    checks: dict[str, Any] = {}
    unavailable: dict[str, str] = {}
    for contestant in contestants:
        tell(f"{workload.name}: spikes of {contestant.name}")
        simulation = build(contestant, plan, workload.q_network)
        if isinstance(simulation, UnavailableError):
            unavailable[contestant.name] = str(simulation)
            continue
        simulations[contestant] = simulation
        if (outcome := check(simulation, plan, observations, reference)) is not None:
            checks[contestant.name] = outcome.to_dict()
    results["networks"][workload.name] = {
        "note": workload.note,
        "layers": list(plan.layer_names),
        "neurons": [layer.affine.neurons for layer in plan.all_layers],
        "rates": workload.rates(),
        "dqn_macs": plan.dqn_macs,
        "checks": checks,
        "unavailable": unavailable,
    }
    return simulations


def _measure(
    cell: Cell,
    workload: Workload,
    simulations: dict[Contestant, Simulation],
    budget: Budget,
    results: Results,
) -> dict[str, Any]:
    torch.set_num_threads(cell.threads)
    observations = workload.batch(cell.batch)
    entries: dict[str, Any] = {}
    calls: dict[str, Callable[[], Tensor]] = {}
    for contestant, simulation in simulations.items():
        reason = _too_much(cell, contestant, workload, budget, results)
        if reason is None:
            calls[contestant.name] = _call(simulation, observations, cell.num_steps)
        else:
            entries[contestant.name] = {"skipped": reason}
    timings, outputs = time_together(calls, budget)
    spiking = {each.name for each, simulation in simulations.items() if simulation.counts is not None}
    for name, timing in timings.items():
        entries[name] = timing.to_dict()
        if name in spiking and _JUDGE in outputs:
            differing = differing_outputs(workload.plan, outputs[name], outputs[_JUDGE], cell.num_steps)
            entries[name]["differing_outputs"] = differing
    return {**asdict(cell), "contestants": entries}


def _call(simulation: Simulation, observations: Tensor, num_steps: int) -> Callable[[], Tensor]:
    return lambda: simulation.q(observations, num_steps)


def _too_much(
    cell: Cell, contestant: Contestant, workload: Workload, budget: Budget, results: Results
) -> str | None:
    """Why a contestant is not timed in a cell: the rule of the budget."""
    seconds = 0.0 if contestant.kind == "dqn" else _predicted_seconds(cell, contestant, results)
    if seconds > budget.longest_call:
        return f"one call would take about {seconds:.0f} s, the budget is {budget.longest_call:g} s"
    if contestant.keeps_time:
        neurons = sum(layer.affine.neurons for layer in workload.plan.layers)
        needed = _TENSORS * 4 * neurons * cell.num_steps * cell.batch
        allowed = min(budget.memory, available_memory() // 2)
        if needed > allowed:
            return f"would need about {needed / 2**30:.0f} GiB, the budget is {allowed / 2**30:.0f} GiB"
    return None


def _predicted_seconds(cell: Cell, contestant: Contestant, results: Results) -> float:
    """What a call will take, in proportion to the nearest smaller cell; 0 where there is none."""
    known = [
        (place.batch == cell.batch, place.num_steps * place.batch, entry["wall_min"])
        for place, entry in _timed(results, contestant.name)
        if (place.network, place.threads) == (cell.network, cell.threads)
        and place.batch <= cell.batch
        and place.num_steps <= cell.num_steps
    ]
    if not known:
        return 0.0
    _, size, seconds = max(known)
    return float(seconds) * cell.num_steps * cell.batch / size


def _timed(results: Results, name: str) -> Iterator[tuple[Cell, dict[str, Any]]]:
    for entry in results["cells"]:
        found = entry["contestants"].get(name, {})
        if "wall_min" in found:
            yield _place(entry), found


def _place(entry: dict[str, Any]) -> Cell:
    return Cell(entry["network"], entry["threads"], entry["batch"], entry["num_steps"])


def _has_memory(settings: Settings, results: Results, name: str) -> bool:
    return settings.memory is None or name != settings.networks[0] or bool(results["memory"])


def _weigh(
    workload: Workload,
    contestants: tuple[Contestant, ...],
    settings: Settings,
    results: Results,
    tell: Callable[[str], None],
) -> None:
    if settings.memory is None or _has_memory(settings, results, workload.name):
        return
    num_steps, batch = settings.memory
    available = results["networks"][workload.name]["checks"]
    peaks = {}
    for contestant in contestants:
        if contestant.name in available:
            tell(f"{workload.name}: memory of {contestant.name}")
            peaks[contestant.name] = peak_memory(workload, contestant, num_steps, batch)
    results["memory"] = {
        "network": workload.name,
        "num_steps": num_steps,
        "batch": batch,
        "contestants": peaks,
    }
