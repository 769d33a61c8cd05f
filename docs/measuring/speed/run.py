"""The whole benchmark, cell by cell, into one plain value that becomes the JSON file."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from dqn2snn.engine import simulate_reference
from measuring.machine import machine, versions
from measuring.speed import workloads
from measuring.speed.checking import check, differing_outputs
from measuring.speed.limits import too_much
from measuring.speed.memory import peak_memory
from measuring.speed.peers import CONTESTANTS, Contestant, Simulation, UnavailableError, build
from measuring.speed.settings import Cell, Settings, cells, described
from measuring.speed.timing import Budget, time_together
from measuring.speed.workloads import Workload

__all__ = ["FORMAT_VERSION", "Results", "run"]

FORMAT_VERSION = 1

Results = dict[str, Any]
"""The content of the JSON file."""

_JUDGE = "torch"
"""Whose output the others are compared with in every cell; it has been compared with the reference itself."""


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
    done = {Cell.of(entry) for entry in results["cells"]}
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
        simulation = build(contestant, plan, workload.dqn)
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
        reason = too_much(cell, contestant, workload.plan, budget, results["cells"])
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
