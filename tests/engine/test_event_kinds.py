"""The event engine on neurons that send several spikes a step, take some back or are limited, in rate coding."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dqn2snn.engine import simulate_reference
from dqn2snn.engine.decide import decide
from dqn2snn.network import SpikingQNetwork
from dqn2snn.plan import SpikingPlan
from tests import agents
from tests.engine.compiled import needs_extension
from tests.engine.varied import raw_plan, varied
from tests.engine.wide import WideCase, wide_case
from tests.kinds import KINDS, of_kind
from tests.properties import assert_same_q_values, assert_same_spikes

pytestmark = needs_extension

SEEDS = st.integers(0, 2**32 - 1)
RATE_KINDS = [name for name in KINDS if not name.startswith("delta")]


def taken(case: WideCase | None) -> bool:
    return case is not None and SpikingQNetwork(case.plan).engine_in_use.name == "event"


def assert_exact(case: WideCase, threads: int = 1) -> None:
    """Everything in a record is what the float64 reference finds, and Q-values do not depend on what else is kept."""
    snn = SpikingQNetwork(case.plan, engine="event", num_threads=threads)
    actual = snn.record(case.observations, case.num_steps, spikes=True)
    with torch.no_grad():
        expected = simulate_reference(case.plan, case.observations, case.num_steps, spikes=True)
    assert_same_spikes(actual, expected)
    for found, wanted in zip(actual.sent, expected.sent, strict=True):
        assert torch.equal(found.double(), wanted)
    for train, right in zip(actual.spikes or (), expected.spikes or (), strict=True):
        assert train.dtype == right.dtype
    assert_same_q_values(actual, expected)
    assert torch.equal(snn.record(case.observations, case.num_steps).q, actual.q)
    assert torch.equal(snn(case.observations, case.num_steps), actual.q[-1])


@settings(max_examples=30)
@given(seed=SEEDS, threads=st.sampled_from([1, 2]))
def test_wide_plans(seed: int, threads: int) -> None:
    case = wide_case(Random(seed), change=varied)
    if case is not None and taken(case):
        assert_exact(case, threads)


def test_most_plans_are_taken_and_their_neurons_are_busy() -> None:
    """Neurons that are silent, or send nothing but single spikes, would be easily equal."""
    cases = [case for seed in range(30) if (case := wide_case(Random(seed), change=varied)) is not None]
    assert len(cases) > 20
    assert sum(map(taken, cases)) > len(cases) - 4
    several, back, both = 0, 0, 0
    for case in cases:
        record = SpikingQNetwork(case.plan).record(case.observations, case.num_steps, spikes=True)
        for train, net, sent in zip(record.spikes or (), record.counts, record.sent, strict=True):
            several += int((train.to(torch.int8) > 1).sum())
            back += int((train.to(torch.int8) < 0).sum())
            both += int((net != sent).sum())
    assert several > 10_000
    assert back > 3_000
    assert both > 1_000


@pytest.mark.parametrize("kind", RATE_KINDS)
@pytest.mark.parametrize("name", agents.NAMES)
def test_trained_agents(name: str, kind: str) -> None:
    observations = agents.observations(name)[:9]
    plan = of_kind(kind, raw_plan(name, 24), float(agents.observations(name).abs().max()))
    assert_exact(WideCase(plan, observations, 24))


@pytest.mark.parametrize("margin", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("kind", ["signed", "signed burst", "step bias", "own start"])
def test_early_decisions(kind: str, margin: float) -> None:
    plan = of_kind(kind, raw_plan("minatar-freeway", 96))
    snn = SpikingQNetwork(plan, engine="event")
    observations = agents.observations("minatar-freeway")[:32]
    actual = snn.decide(observations, margin=margin, every=4)
    expected = decide(plan, snn.record(observations), margin, 4)
    for found, wanted in zip(vars(actual).values(), vars(expected).values(), strict=True):
        assert torch.equal(found, wanted)


@pytest.mark.parametrize("kind", ["burst", "signed burst", "bounded", "own start"])
def test_raw_floats_are_close(kind: str) -> None:
    observations = agents.observations("minatar-freeway")
    snn = SpikingQNetwork(KINDS[kind](raw_plan("minatar-freeway", 100)))
    assert snn.engine_in_use.name == "event"
    actual, expected = (snn.record(observations[:32], engine=engine) for engine in ("event", "reference"))
    spread = float(expected.q[-1].std())
    assert (actual.q[-1].double() - expected.q[-1]).abs().mean() < 0.005 * spread
    for count, wanted in zip(actual.counts, expected.counts, strict=True):
        assert (count - wanted).abs().mean() < 0.01 * snn.plan.num_steps


def test_first_layers_that_could_charge_beyond_32_bits_are_refused() -> None:
    """Neurons that have sent all that they may keep charging, for as long as a decision lasts."""

    def limited(num_steps: int) -> SpikingPlan:
        plan = agents.plan("cartpole")
        first = replace(plan.layers[0], max_spikes=127, max_count=127)
        return replace(plan, layers=(first, *plan.layers[1:]), num_steps=num_steps)

    assert SpikingQNetwork(limited(500)).engine_in_use.name == "event"
    refused = SpikingQNetwork(limited(5000)).engine_in_use
    assert refused.name == "torch"
    assert "leave 32 bits" in refused.reason
