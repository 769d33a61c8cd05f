"""Decisions in sequence by events: exactly those of the float64 reference, for as long as an episode lasts."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache, partial
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dqn2snn.dynamics.record import Record
from dqn2snn.engine.event import EventNetwork, EventStream, refusal
from dqn2snn.engine.reference import advance_reference
from dqn2snn.engine.streaming import StateStream
from dqn2snn.errors import PlanError
from dqn2snn.network import SpikingQNetwork
from dqn2snn.plan import SpikingPlan
from tests import agents
from tests.engine.compiled import needs_extension
from tests.engine.varied import carried, persistent, raw_plan
from tests.engine.wide import wide_case
from tests.kinds import KINDS as ALL_KINDS
from tests.kinds import of_kind

pytestmark = needs_extension

SEEDS = st.integers(0, 2**32 - 1)
KINDS = ("delta", "delta of single spikes", "carry")


@cache
def plan(name: str, kind: str, num_steps: int = 5) -> SpikingPlan:
    observations = agents.observations(name)
    return of_kind(kind, raw_plan(name, num_steps), float(observations.abs().max()))


def oracle(plan: SpikingPlan, resync_every: int | None = None) -> StateStream:
    exact = plan.cast(torch.float64)
    return StateStream(exact, partial(advance_reference, exact), resync_every)


def events(plan: SpikingPlan, threads: int = 1) -> EventStream:
    return EventStream(EventNetwork(plan), lambda: threads)


def assert_same(actual: Record, expected: Record) -> None:
    """Counts, spikes sent and spikes are equal, and Q-values but for the rounding of their last division."""
    for kind in ("counts", "sent", "spikes"):
        found, wanted = getattr(actual, kind), getattr(expected, kind)
        assert (found is None) == (wanted is None)
        for mine, right in zip(found or (), wanted or (), strict=True):
            assert torch.equal(mine.double(), right.double()), kind
    for got, want in ((actual.q, expected.q), (actual.q_spike, expected.q_spike)):
        torch.testing.assert_close(
            got.double(), want.double(), rtol=1e-5, atol=1e-6 * float(want.abs().max())
        )


def assert_same_streams(
    plan: SpikingPlan, observations: list[Tensor], starts: list[Tensor], threads: int = 1
) -> None:
    actual, expected = events(plan, threads), oracle(plan)
    brief = events(plan, threads)
    rows = torch.arange(len(observations[0]))
    for i, (seen, episode_start) in enumerate(zip(observations, starts, strict=True)):
        record = actual.advance(seen, plan.num_steps, rows, episode_start, spikes=i % 2 == 0)
        with torch.no_grad():
            right = expected.advance(seen, plan.num_steps, rows, episode_start, spikes=i % 2 == 0)
        assert_same(record, right)
        assert torch.equal(brief.q(seen, plan.num_steps, rows, episode_start), record.q[-1])


def play(
    observations: Tensor, environments: int, decisions: int, ends: float = 0.06, seed: int = 0
) -> tuple[list[Tensor], list[Tensor]]:
    """Consecutive observations of several environments, whose episodes end at any time."""
    generator = torch.Generator().manual_seed(seed)
    starts = torch.randint(0, max(1, len(observations) - decisions), (environments,), generator=generator)
    seen = [observations[(starts + i) % len(observations)] for i in range(decisions)]
    return seen, [torch.rand(environments, generator=generator) < ends for _ in range(decisions)]


# Exactness


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", agents.NAMES)
def test_trained_agents(name: str, kind: str) -> None:
    seen, starts = play(agents.observations(name), environments=4, decisions=60)
    assert sum(int(episode_start.sum()) for episode_start in starts) > 5
    assert_same_streams(plan(name, kind), seen, starts, threads=2)


@settings(max_examples=30)
@given(
    seed=SEEDS, remembers=st.sampled_from(["levels", "levels", "residuals"]), threads=st.sampled_from([1, 2])
)
def test_wide_plans(seed: int, remembers: str, threads: int) -> None:
    random = Random(seed)
    case = wide_case(random, change=persistent if remembers == "levels" else carried)
    if case is None or refusal(case.plan) is not None:
        return
    short = replace(case.plan, num_steps=min(case.num_steps, random.choice((1, 2, 5))))
    assert_same_streams(short, *_wander(case.observations, 6, random), threads)


def _wander(observations: Tensor, decisions: int, random: Random) -> tuple[list[Tensor], list[Tensor]]:
    """Observations of which a part changes from one decision to the next, or all, or nothing."""
    generator = torch.Generator().manual_seed(random.getrandbits(32))
    seen, now = [], observations
    for _ in range(decisions):
        seen.append(now)
        part = torch.rand(now.shape, generator=generator) < random.choice((0.0, 0.02, 0.2, 1.0))
        now = torch.where(part, observations[torch.randperm(len(now), generator=generator)], now)
    return seen, [torch.rand(len(now), generator=generator) < 0.2 for _ in range(decisions)]


def test_most_wide_plans_are_taken_and_take_spikes_back() -> None:
    cases = [case for seed in range(25) if (case := wide_case(Random(seed), change=persistent)) is not None]
    taken = [case for case in cases if refusal(case.plan) is None]
    assert len(taken) > 15
    back = 0
    for case in taken:
        stream, rows = events(case.plan), torch.arange(len(case.observations))
        episode_start = torch.zeros(len(rows), dtype=torch.bool)
        for observations in (case.observations, case.observations.flip(0)):
            record = stream.advance(observations, case.num_steps, rows, episode_start, spikes=True)
            back += sum(int((train.to(torch.int8) < 0).sum()) for train in record.spikes or ())
    assert back > 3_000


# State


@pytest.mark.parametrize("name", ["cartpole", "minatar-breakout"])
def test_nothing_drifts(name: str) -> None:
    """After hundreds of decisions, membranes computed anew from what was sent are what they are."""
    network = plan(name, "delta")
    stream, synchronised = events(network), oracle(network, resync_every=1)
    rows, never = torch.arange(1), torch.zeros(1, dtype=torch.bool)
    for i in range(300):
        seen = agents.observations(name)[i : i + 1]
        with torch.no_grad():
            expected = synchronised.advance(seen, 5, rows, never)
        actual = stream.advance(seen, 5, rows, never)
        if i % 20 == 0:
            assert_same(actual, expected)
    assert_same(actual, expected)


def test_what_does_not_change_costs_nothing() -> None:
    stream = events(plan("minatar-breakout", "delta"))
    seen, rows = agents.observations("minatar-breakout")[:3], torch.arange(3)
    never = torch.zeros(3, dtype=torch.bool)
    for _ in range(20):
        settled = stream.advance(seen, 5, rows, never)
    again = stream.advance(seen, 5, rows, never)
    assert sum(int(sent.sum()) for sent in again.sent) == 0
    assert torch.equal(again.q[-1], settled.q[-1])


@pytest.mark.parametrize("kind", KINDS)
def test_environments_come_and_go(kind: str) -> None:
    """Each is known by its number; others are not touched."""
    network = plan("lunarlander", kind)
    actual, expected = events(network), oracle(network)
    observations, random = agents.observations("lunarlander"), Random(0)
    for _ in range(40):
        rows = torch.tensor(random.sample(range(9), random.randint(1, 6)))
        seen, episode_start = (
            observations[rows * 50 + random.randrange(50)],
            torch.tensor([random.random() < 0.1 for _ in rows]),
        )
        with torch.no_grad():
            right = expected.advance(seen, 5, rows, episode_start)
        assert_same(actual.advance(seen, 5, rows, episode_start), right)


def test_reset_forgets_everything() -> None:
    network, rows = plan("cartpole", "delta"), torch.arange(2)
    never = torch.zeros(2, dtype=torch.bool)
    stream, seen = events(network), agents.observations("cartpole")
    fresh = stream.advance(seen[:2], 5, rows, never)
    stream.advance(seen[2:4], 5, rows, never)
    stream.reset()
    assert_same(stream.advance(seen[:2], 5, rows, never), fresh)


@pytest.mark.parametrize(
    "dtype", [torch.bool, torch.uint8, torch.float16, torch.float32, torch.float64], ids=str
)
def test_observations_of_any_dtype(dtype: torch.dtype) -> None:
    network = plan("minatar-freeway", "delta")
    seen, starts = play(agents.observations("minatar-freeway"), environments=2, decisions=8)
    assert_same_streams(network, [x.to(dtype) for x in seen], starts)


def test_bytes_and_fractions_in_turn() -> None:
    """Whole numbers up to 255 have a path of their own in the engine."""
    network = plan("minatar-freeway", "delta")
    seen, starts = play(agents.observations("minatar-freeway"), environments=2, decisions=12)
    assert_same_streams(network, [x * (0.3 if i % 3 == 1 else 1.0) for i, x in enumerate(seen)], starts)


def test_the_states_of_two_streams_are_their_own() -> None:
    network = EventNetwork(plan("minatar-breakout", "delta"))
    observations, rows = agents.observations("minatar-breakout"), torch.arange(3)
    never = torch.zeros(3, dtype=torch.bool)

    def run(start: int) -> Iterator[Tensor]:
        stream = EventStream(network)
        for i in range(start, start + 30):
            yield stream.q(observations[3 * i : 3 * i + 3], 5, rows, never)

    expected = [list(run(start)) for start in range(8)]
    with ThreadPoolExecutor(4) as pool:
        for found, wanted in zip(pool.map(lambda i: list(run(i)), range(8)), expected, strict=True):
            assert all(map(torch.equal, found, wanted))


# One decision of a network that could remember


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["cartpole", "minatar-freeway"])
def test_a_decision_without_a_past(name: str, kind: str) -> None:
    """It begins at rest, without a warm-up, whatever was decided before."""
    network = plan(name, kind)
    snn = SpikingQNetwork(network, engine="event")
    observations = agents.observations(name)[:33]
    for batch in (observations, observations.flip(0)):
        assert_same(snn.record(batch, spikes=True), snn.record(batch, spikes=True, engine="reference"))
        assert torch.equal(snn(batch), snn.record(batch).q[-1])


# What it refuses


def test_raw_floats_are_left_to_torch() -> None:
    raw = raw_plan("cartpole", 5)
    for kind in KINDS:
        choice = SpikingQNetwork(ALL_KINDS[kind](raw)).engine_in_use
        assert choice.name == "torch"
        assert "raw floats" in choice.reason


def test_a_delta_network_has_no_bias_currents() -> None:
    network = plan("cartpole", "delta")
    output = network.output
    affine = output.affine.with_parameters(output.affine.weight, output.affine.bias + 1)
    with pytest.raises(PlanError, match="a part of v_init"):
        replace(network, output=replace(output, affine=affine))
    currents = torch.ones(network.settling_steps, *network.layers[1].shape, dtype=torch.float64)
    biased = replace(network.layers[1], step_bias=currents)
    assert "has a bias current" in (refusal(replace(network, layers=(network.layers[0], biased))) or "")
    forgetful = replace(network, output=replace(output, reset="zero"))
    assert "forget" in (refusal(forgetful) or "")
