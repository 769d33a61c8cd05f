"""The event engine on neurons that grow or leak, and wait before they fire."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import dqn2snn
from dqn2snn.dynamics.codings.digits import CODING as DIGITS
from dqn2snn.dynamics.codings.leaky import CODING as LEAKY
from dqn2snn.engine import simulate_reference
from dqn2snn.network import SpikingQNetwork
from dqn2snn.plan import SpikingPlan
from tests import agents
from tests.engine.compiled import needs_extension
from tests.engine.varied import raw_plan
from tests.engine.wide import Change, WideCase, wide_case

pytestmark = needs_extension

SEEDS = st.integers(0, 2**32 - 1)
LEAKING = (0.5, 230 / 256, 243 / 256, 255 / 256)
GROWING = (257 / 256, 1.25, 1.5, 2.0, 461 / 256, 3.0, 4.0, 16.0)


def growing(plan: SpikingPlan, random: Random) -> SpikingPlan:
    """Digit coding with a base, digits, delays and signs of its own."""
    beta, delay, layers = random.choice(GROWING), 0, []
    for layer in plan.layers:
        delay = min(delay + random.randint(0, 3), plan.num_steps - 1)
        kind: dict[str, Any] = {
            "max_spikes": max(random.choice((1, 2, 3, 15)), int(beta)),
            "signed": random.random() < 0.8,
        }
        duration = random.choice((None, random.randint(1, plan.num_steps)))
        start = layer.threshold / 2
        layers.append(
            replace(layer, reset="subtract", beta=beta, delay=delay, duration=duration, v_init=start, **kind)
        )
    output = replace(plan.output, reset="subtract", beta=beta, duration=0)
    return replace(plan, layers=tuple(layers), output=output, coding=DIGITS)


def leaking(plan: SpikingPlan, random: Random) -> SpikingPlan:
    """Neurons of one leak, and resets, signs, limits and delays of each layer's own."""
    beta, layers = random.choice(LEAKING), []
    for layer in plan.layers:
        delay, duration = random.choice((0, 0, 3)), random.choice((None, None, 5))
        made = replace(layer, beta=beta, delay=delay, duration=duration)
        if random.random() < 0.5:
            made = replace(
                made,
                reset="subtract",
                max_spikes=random.choice((1, 2, 15)),
                signed=random.random() < 0.6,
                max_count=random.choice((None, 5)),
            )
        layers.append(made)
    output = replace(plan.output, reset="subtract", beta=beta, duration=0)
    return replace(plan, layers=tuple(layers), output=output, coding=LEAKY)


def assert_exact(case: WideCase, threads: int = 1) -> int:
    """Everything in a record is what the float64 reference finds; how many spikes were compared."""
    snn = SpikingQNetwork(case.plan, engine="event", num_threads=threads)
    actual = snn.record(case.observations, case.num_steps, spikes=True)
    with torch.no_grad():
        expected = simulate_reference(case.plan, case.observations, case.num_steps, spikes=True)
    assert actual.spikes is not None
    assert expected.spikes is not None
    wrong = [int((a != e).sum()) for a, e in zip(actual.spikes, expected.spikes, strict=True)]
    assert not any(wrong)
    for found, wanted in zip((*actual.counts, *actual.sent), (*expected.counts, *expected.sent), strict=True):
        assert torch.equal(found, wanted.float())
    atol = 1e-6 * float(expected.q.abs().max()) if case.plan.coding == LEAKY else 0
    torch.testing.assert_close(actual.q, expected.q.float(), rtol=1e-6, atol=atol)
    assert actual.q_spike is None
    assert torch.equal(snn.record(case.observations, case.num_steps).q, actual.q)
    assert torch.equal(snn(case.observations, case.num_steps), actual.q[-1])
    return sum(train.numel() for train in actual.spikes)


def taken(case: WideCase | None) -> bool:
    return case is not None and SpikingQNetwork(case.plan).engine_in_use.name == "event"


@settings(max_examples=60)
@given(seed=SEEDS, threads=st.sampled_from([1, 2]))
def test_wide_plans_that_grow(seed: int, threads: int) -> None:
    case = wide_case(Random(seed), change=growing)
    if case is not None and taken(case):
        assert_exact(case, threads)


@settings(max_examples=60)
@given(seed=SEEDS, threads=st.sampled_from([1, 2]))
def test_wide_plans_that_leak(seed: int, threads: int) -> None:
    case = wide_case(Random(seed), change=leaking)
    if case is not None and taken(case):
        assert_exact(case, threads)


@pytest.mark.parametrize("change", [growing, leaking])
def test_most_plans_are_taken_and_their_neurons_are_busy(change: Change) -> None:
    cases = [case for seed in range(30) if (case := wide_case(Random(seed), change=change)) is not None]
    assert len(cases) > 12
    assert sum(map(taken, cases)) > len(cases) - 6
    several = back = 0
    for case in cases:
        for train in (
            SpikingQNetwork(case.plan).record(case.observations, case.num_steps, spikes=True).spikes or ()
        ):
            several += int((train.to(torch.int8) > 1).sum())
            back += int((train.to(torch.int8) < 0).sum())
    assert several > 1_000
    assert back > 300


@pytest.mark.parametrize("batch", [1, 32, 256])
@pytest.mark.parametrize(
    "recipe", ["digits", "digits:max_spikes=1", "digits:base=3", "digits:base=1.5:max_spikes=1", "leaky"]
)
@pytest.mark.parametrize("name", agents.NAMES)
def test_trained_agents(name: str, recipe: str, batch: int) -> None:
    observations = agents.observations(name)
    snn = dqn2snn.convert(agents.agent(name), observations, recipe=recipe, num_steps=9, progress=False)
    assert snn.engine_in_use.name == "event"
    many = observations.repeat(-(-batch // len(observations)), *(1 for _ in observations.shape[1:]))[:batch]
    for num_steps in (9, 5):
        assert_exact(WideCase(snn.plan, many, num_steps))


def test_raw_floats_are_close() -> None:
    name = "minatar-freeway"
    observations = agents.observations(name)
    snn = dqn2snn.convert(agents.agent(name), observations, recipe="digits", grid=None, progress=False)
    assert snn.engine_in_use.name == "event"
    actual, expected = (snn.record(observations[:32], engine=engine) for engine in ("event", "reference"))
    assert (actual.q[-1].double() - expected.q[-1]).abs().mean() < 0.01 * float(expected.q[-1].std())


def test_charge_of_many_steps_is_exact() -> None:
    """The output grows far beyond the whole numbers of 64 bits."""
    snn = dqn2snn.convert(
        agents.agent("cartpole"),
        agents.observations("cartpole"),
        recipe="digits",
        num_steps=10,
        progress=False,
    )
    plan = replace(snn.plan, num_steps=61)
    assert_exact(WideCase(plan, agents.observations("cartpole")[:9], 61))


def test_layers_of_which_some_are_steady_are_refused() -> None:
    plan = raw_plan("cartpole", 8)
    refused = SpikingQNetwork(replace(plan, layers=(replace(plan.layers[0], delay=1), *plan.layers[1:])))
    assert refused.engine_in_use.name != "event"
    assert "not all others do" in refused.engine_in_use.reason
