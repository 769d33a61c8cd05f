"""What other libraries read from our files is just what the table in the documentation says, spike for spike."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

pytest.importorskip("nirtorch", reason="reading graphs with other libraries needs the extra importers")

import dqn2snn
from dqn2snn import SpikingPlan
from dqn2snn.errors import PlanError
from dqn2snn.io.interop import exact_sinabs, exact_spikingjelly, unit_thresholds
from measuring import nir as nir_conformance

NEEDED = {
    "snnTorch": "snntorch.import_nir",
    "Norse": "norse.torch",
    "Sinabs": "sinabs.nir",
    "SpikingJelly": "spikingjelly.activation_based.nir_exchange",
    "Spyx": "spyx.nir",
    "nirtorch": "nirtorch",
}
pytestmark = pytest.mark.filterwarnings(
    "ignore:nirtorch.load is being deprecated:DeprecationWarning"
)  # by Sinabs
KEPT = json.loads((Path(__file__).parents[3] / "docs" / "results" / "nir.json").read_text(encoding="utf-8"))
ROWS = {(row["agent"], row["plan"], row["library"], row["how"]): row for row in KEPT["rows"]}
READERS = {f"{reader.library} {reader.how}": reader for reader in nir_conformance.READERS}


@cache
def agent(name: str) -> tuple[nn.Module, Tensor]:
    found = dqn2snn.load_q_network(name)
    observations = dqn2snn.collect_observations(found, 500, progress=False)
    return found, observations


@cache
def plan_of(name: str, kind: str) -> SpikingPlan:
    network, observations = agent(name)
    return dqn2snn.convert(
        network, observations, recipe=nir_conformance.PLANS[kind], num_steps=KEPT["steps"]
    ).plan


def reader_of(key: str) -> Any:
    reader = READERS[key]
    module = NEEDED[reader.library]
    try:
        importlib.import_module(module)
    except ImportError:
        pytest.skip(f"{reader.library} is not installed: pip install --no-deps {module.partition('.')[0]}")
    return reader


@pytest.mark.parametrize("key", sorted(READERS))
@pytest.mark.parametrize("kind", sorted(nir_conformance.PLANS))
@pytest.mark.parametrize("name", nir_conformance.AGENTS)
def test_each_reader_gives_what_the_table_says(name: str, kind: str, key: str) -> None:
    reader, plan = reader_of(key), plan_of(name, kind)
    row = nir_conformance.compared(reader, plan, agent(name)[1][: KEPT["states"]].float())
    expected = ROWS[name, kind, reader.library, reader.how]
    if "error" in expected:
        assert row["error"].partition(":")[0] == expected["error"].partition(":")[0]
    elif expected["differing"] == 0:
        assert row["differing"] == 0
    else:
        assert row["differing"] > 0
        assert row["differing"] == pytest.approx(expected["differing"], abs=0.05 * row["of"])


@pytest.mark.parametrize("key", ["Sinabs `exact_sinabs`", "SpikingJelly `exact_spikingjelly`"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.integers(0, 2**31 - 1), st.sampled_from(["tan2021", "rate_if"]), st.booleans(), st.integers(1, 24))
def test_helpers_are_exact_on_any_small_network(
    key: str, seed: int, recipe: str, image: bool, num_steps: int
) -> None:
    reader = reader_of(key)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if image:
            net = nn.Sequential(
                *(nn.Conv2d(2, 5, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(80, 9), nn.ReLU()),
                nn.Linear(9, 3),
            )
            observations = 2 * torch.rand(80, 2, 4, 4) - 0.5
        else:
            net = nn.Sequential(nn.Linear(4, 12), nn.ReLU(), nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 3))
            observations = torch.randn(80, 4)
    plan = dqn2snn.convert(net, observations, recipe=recipe, num_steps=num_steps).plan
    row = nir_conformance.compared(reader, plan, observations[:8])
    assert row.get("error") is None
    assert row["differing"] == 0


@pytest.mark.parametrize("key", ["Sinabs `exact_sinabs`", "SpikingJelly `exact_spikingjelly`"])
def test_the_next_decision_begins_afresh(key: str, tmp_path: Path) -> None:
    reader, plan = reader_of(key), plan_of("cartpole", "soft, initial membranes")
    import nir

    first, second = (agent("cartpole")[1][rows].float() for rows in (slice(0, 8), slice(8, 16)))
    path = tmp_path / "plan.nir"
    nir.write(path, dqn2snn.to_nir(reader.exported(plan)))
    sinabs = reader.library == "Sinabs"
    model = nir_conformance.sinabs_model(path, first) if sinabs else nir_conformance.spikingjelly_model(path)
    for batch in (first, second, first):
        ready = (exact_sinabs if sinabs else exact_spikingjelly)(model, plan, 8)
        with torch.no_grad():
            found = (
                nir_conformance.run_sinabs(ready, plan, batch)
                if sinabs
                else nir_conformance.stepwise(ready, batch, plan.num_steps)
            )
        assert torch.equal(found.double(), nir_conformance.currents(plan, batch))


def test_unit_thresholds_fire_the_same_spikes() -> None:
    from dqn2snn.engine.reference import simulate_reference

    for name in nir_conformance.AGENTS:
        plan = plan_of(name, "soft, initial membranes")
        batch = agent(name)[1][:16]
        unit = unit_thresholds(plan)
        assert all(bool((layer.threshold == 1).all()) for layer in unit.layers)
        raw = replace(plan, input_bits=None)  # as the unit plan, which is not on a grid
        before, after = (simulate_reference(each, batch, each.num_steps) for each in (raw, unit))
        assert all(torch.equal(one, other) for one, other in zip(before.counts, after.counts, strict=True))


def test_what_helpers_cannot_tell_is_refused() -> None:
    pytest.importorskip("sinabs", reason="needs Sinabs")
    network, observations = agent("cartpole")
    burst = dqn2snn.convert(network, observations, recipe="burst", num_steps=8).plan
    with pytest.raises(PlanError, match="negative spikes, several spikes a step"):
        exact_sinabs(nn.Sequential(), burst, 1)
    with pytest.raises(PlanError, match="hard resets"):
        exact_sinabs(nn.Sequential(), plan_of("cartpole", "hard"), 1)
    with pytest.raises(PlanError, match="Expected a model with 2 layers of neurons"):
        exact_sinabs(nn.Sequential(), plan_of("cartpole", "soft"), 1)
    odd = dqn2snn.convert(network, observations, recipe="diehl2015", num_steps=8).plan
    if any(float(layer.threshold.frexp()[0].flatten()[0]) != 0.5 for layer in odd.layers):
        with pytest.raises(PlanError, match="powers of two"):
            unit_thresholds(odd)
