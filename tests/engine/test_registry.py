"""Every engine with every coding: the same spikes behind one interface, which nobody goes around."""

from __future__ import annotations

import ast
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dqn2snn
from dqn2snn.dynamics.record import Record
from dqn2snn.engine import registry, simulate_reference
from dqn2snn.engine.registry import AUTO, ENGINES, PreparedPlan
from dqn2snn.engine.simulation import Engine, Host, Simulation
from dqn2snn.errors import ArgumentError
from dqn2snn.network import SpikingQNetwork
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.coding import CODINGS
from tests.codings import RECIPES
from tests.properties import assert_same_q_values, assert_same_spikes

PACKAGE = Path(dqn2snn.__file__).parent
CPU = torch.device("cpu")


@cache
def dqn() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 3)
        )


def seen(count: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 2, 6, 6, generator=torch.Generator().manual_seed(seed))


@cache
def plan_of(coding: str) -> SpikingPlan:
    return dqn2snn.convert(dqn(), seen(200), recipe=RECIPES[coding], num_steps=6).plan


def network(coding: str, engine: str) -> SpikingQNetwork:
    plan = plan_of(coding)
    reason = ENGINES[engine].refusal(plan, CPU)
    if reason is not None:
        pytest.skip(reason)
    return SpikingQNetwork(plan, engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("coding", CODINGS)
def test_every_engine_fires_the_spikes_of_the_oracle(coding: str, engine: str) -> None:
    snn, x = network(coding, engine), seen(5, seed=1)
    found, expected = snn.record(x, spikes=True), simulate_reference(snn.plan, x, 6, spikes=True)
    assert_same_spikes(found, expected)
    assert_same_q_values(found, expected)
    assert torch.equal(snn(x), found.q[-1])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("coding", CODINGS)
def test_every_engine_streams_what_the_oracle_streams(coding: str, engine: str) -> None:
    snn = network(coding, engine)
    one, other, asked = snn.stream(), snn.stream(engine="reference"), snn.stream()
    generator = torch.Generator().manual_seed(2)
    for i in range(6):
        x, begins = seen(3, seed=i), torch.rand(3, generator=generator) < 0.3
        found, expected = (stream.record(x, begins, spikes=True) for stream in (one, other))
        assert_same_q_values(found, expected)
        for a, b in zip((*found.counts, *found.sent), (*expected.counts, *expected.sent), strict=True):
            assert torch.equal(a.double(), b.double())
        assert torch.equal(asked.step(x, begins), found.q[-1])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("coding", [name for name in CODINGS if name != "latency"])
def test_every_engine_gives_the_values_that_neurons_have_told(coding: str, engine: str) -> None:
    snn, x = network(coding, engine), seen(5, seed=1)
    plan = snn.plan
    spikes = simulate_reference(plan, x, plan.settling_steps, spikes=True).spikes
    assert spikes is not None
    worth = plan.coding.worth(plan)
    found = PreparedPlan(plan, CPU).simulation(engine).values(x, [1, 0])
    for i, values in zip([1, 0], found, strict=True):
        torch.testing.assert_close(values.double(), torch.tensordot(worth, spikes[i].double(), 1))


class _Stub(Engine):
    """The oracle by another name."""

    name = "stub"
    about = "the oracle, by another name"

    def refusal(self, plan: SpikingPlan, device: torch.device) -> str | None:
        return "it is in the way" if plan.stateful else None

    def prepare(self, plan: SpikingPlan, device: torch.device, host: Host) -> Simulation:
        return _Stubbed(plan, plan)


class _Stubbed(Simulation):
    def run(
        self, observations: Tensor, num_steps: int, *, spikes: bool = False, progress: bool = True
    ) -> Record:
        return simulate_reference(self.plan, observations, num_steps, spikes=spikes)


def test_an_engine_is_one_method_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "ENGINES", MappingProxyType({"stub": _Stub(), **ENGINES}))
    snn, x = SpikingQNetwork(plan_of("rate"), engine="stub"), seen(5)
    expected = simulate_reference(snn.plan, x, 6)
    assert torch.equal(snn(x), expected.q[-1])
    assert torch.equal(snn.stream().step(x), expected.q[-1])
    by_rate = SpikingQNetwork(replace(snn.plan, readout="rate"), engine="reference")
    assert torch.equal(snn.decide(x).steps, by_rate.decide(x).steps)
    assert snn.predict(x)[0].tolist() == expected.q[-1].argmax(1).tolist()
    assert SpikingQNetwork(snn.plan).engine_in_use.name == "stub"
    assert "it is in the way" in SpikingQNetwork(plan_of("delta")).engine_in_use.reason
    with pytest.raises(ArgumentError, match=r'"stub" can simulate here. Found that it is in the way'):
        SpikingQNetwork(plan_of("delta"), engine="stub")


def test_an_unknown_engine_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ArgumentError, match=r"Found 'refrence'. Use \"reference\""):
        SpikingQNetwork(plan_of("rate"), engine="refrence")


def test_engines_are_told_apart_nowhere_else() -> None:
    names = {AUTO, *ENGINES}

    def tells(node: Any) -> bool:
        sides = (node.left, *node.comparators)
        about = any("engine" in ast.unparse(side) or "choice" in ast.unparse(side) for side in sides)
        return about and any(isinstance(side, ast.Constant) and side.value in names for side in sides)

    found = [
        f"{path.name}: {ast.unparse(node)}"
        for path in PACKAGE.rglob("*.py")
        if path.parent.name not in ("engine", "event")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Compare) and tells(node)
    ]
    assert found == []


def test_an_engine_without_states_refuses_to_stream_a_plan_that_remembers() -> None:
    plan = plan_of("delta")
    simulation = _Stub().prepare(plan, CPU, Host())
    with pytest.raises(ArgumentError, match=r'remembers\. Use engine="auto"\.'):
        simulation.stream()
    assert SpikingQNetwork(plan, engine="auto").stream().step(seen(3)).shape == (3, 3)
