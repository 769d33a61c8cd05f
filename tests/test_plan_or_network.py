"""Every public function that reads a plan takes the network too, and refuses anything else in our own words."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import dqn2snn
from dqn2snn.errors import ArgumentError, Dqn2SnnError
from dqn2snn.plan import SpikingPlan
from dqn2snn.play.collect import Rollout
from tests.public import public_callables

INNER = (
    "dqn2snn.benchmark",
    "dqn2snn.cli",
    "dqn2snn.dynamics",
    "dqn2snn.plan.summary",
    "dqn2snn.recipes.placed",
)
"""Rooms whose functions have read the plan before they pass it on."""

ENGINES = tuple(
    f"dqn2snn.engine.{name}"
    for name in ("registry", "event", "latency", "layerwise", "modules", "simulation", "values")
)
STREAMS = tuple(f"dqn2snn.engine.{name}" for name in ("reference", "simulate_", "stream", "streaming"))
MODULES = tuple(f"dqn2snn.neurons.{name}" for name in ("backends", "supported"))
SLOW = ("exact_sinabs", "exact_spikingjelly", "record_video")
POLICIES = ("compare_policies", "readouts_of")
"""These take any function that gives Q-values."""


def _readers() -> dict[str, Callable[..., Any]]:
    found = {}
    for name, function in public_callables():
        parameters = inspect.signature(function).parameters
        skipped = (*INNER, *ENGINES, *STREAMS, *MODULES)
        if (
            {"plan", "snn"} & set(parameters)
            and "self" not in parameters
            and not name.startswith(skipped)
            and not name.endswith((*SLOW, *POLICIES))
        ):
            found[name] = function
    return found


READERS = _readers()


@cache
def _net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))


@cache
def _observations() -> torch.Tensor:
    return torch.rand(300, 4, generator=torch.Generator().manual_seed(0))


@cache
def _network(raw: bool) -> dqn2snn.SpikingQNetwork:
    """One on a grid, and one in raw numbers, which corrections ask for."""
    grid = None if raw else "auto"
    return dqn2snn.convert(_net(), _observations(), recipe="tan2021", num_steps=8, grid=grid)


def _arguments(function: Callable[..., Any], folder: Path) -> dict[str, Any]:
    """A value for each argument without a default, but for the plan."""
    snn, observations = _network(raw=False), _observations()
    record, q = snn.record(observations), _net()(observations).detach()
    known = {
        "device": "loihi2",
        "dqn": _net(),
        "env": "CartPole-v1",
        "every": 4,
        "graph": dqn2snn.trace(_net(), (4,)),
        "grid": "auto",
        "margin": 2.0,
        "observation_magnitude": 1.0,
        "observations": observations,
        "path": folder / "plan.safetensors",
        "q": record.q,
        "q_dqn": q,
        "record": record,
        "rollout": Rollout(observations, q, torch.arange(300).div(30, rounding_mode="floor").numpy()),
        "seed": 0,
        "sigma": 0.1,
    }
    wanted = inspect.signature(function).parameters.values()
    given = {
        each.name: known[each.name]
        for each in wanted
        if each.default is each.empty and each.name not in ("plan", "snn")
    }
    optional = {name: 2 for name in ("steps", "updates") if name in inspect.signature(function).parameters}
    return given | (optional if "finetune" in function.__module__ else {})


def _call(function: Callable[..., Any], snn: object, arguments: dict[str, Any]) -> Any:
    """The arguments without a default by their places, since corrections take them so."""
    given = {"plan": snn, "snn": snn} | arguments
    parameters = inspect.signature(function).parameters.values()
    by_place = [
        each.name for each in parameters if each.default is each.empty and each.kind != each.KEYWORD_ONLY
    ]
    options = {name: value for name, value in arguments.items() if name not in by_place}
    return function(*(given[name] for name in by_place), **options)


def _outcome(function: Callable[..., Any], snn: object, arguments: dict[str, Any]) -> str:
    """What comes out, or the kind of our own error that does."""
    try:
        return type(_call(function, snn, arguments)).__name__
    except Dqn2SnnError as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("name", READERS)
def test_a_network_stands_for_its_plan(name: str, raw: bool, tmp_path: Path) -> None:
    function, snn = READERS[name], _network(raw)
    arguments = _arguments(function, tmp_path)
    assert _outcome(function, snn, arguments) == _outcome(function, snn.plan, arguments)


@pytest.mark.parametrize("name", READERS)
def test_a_reader_of_plans_works_on_the_grid_or_off_it(name: str, tmp_path: Path) -> None:
    function = READERS[name]
    arguments = _arguments(function, tmp_path)
    outcomes = [_outcome(function, _network(raw), arguments) for raw in (False, True)]
    assert not all("Error" in outcome for outcome in outcomes), outcomes


@pytest.mark.parametrize("other", [nn.Linear(4, 2), None, 3, "cartpole"], ids=repr)
@pytest.mark.parametrize("name", READERS)
def test_anything_else_is_refused_in_our_own_words(name: str, other: object, tmp_path: Path) -> None:
    function = READERS[name]
    arguments = _arguments(function, tmp_path)
    with pytest.raises(Dqn2SnnError, match=r"Expected .* Found .*"):
        _call(function, other, arguments)


@pytest.mark.parametrize("kind", [SpikingPlan, dqn2snn.SpikingQNetwork])
def test_a_network_is_made_of_a_plan_or_of_a_network(kind: type) -> None:
    snn = _network(raw=False)
    made = dqn2snn.SpikingQNetwork(snn.plan if kind is SpikingPlan else snn)
    assert made.plan is snn.plan
    with pytest.raises(ArgumentError, match=r"SpikingPlan or a SpikingQNetwork\. Found Linear\."):
        dqn2snn.SpikingQNetwork(nn.Linear(4, 2))  # type: ignore[arg-type]
