"""Decisions in sequence: every engine and backend alike, episodes apart, and no drift."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import Tensor, nn

import dqn2snn
from dqn2snn.dynamics.record import Record
from dqn2snn.dynamics.state import at_rest, merged, selected
from dqn2snn.engine.layerwise import advance_layerwise
from dqn2snn.errors import ArgumentError, ObservationError
from dqn2snn.network import SpikingQNetwork
from dqn2snn.plan import SpikingPlan
from tests.kinds import KINDS, of_kind

STATEFUL = ("carry", "delta", "delta of single spikes")


@cache
def q_network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 3)
        )


@cache
def plan_of(kind: str, steps: int = 6) -> SpikingPlan:
    generator = torch.Generator().manual_seed(1)
    seen = torch.rand(200, 2, 6, 6, generator=generator)
    raw = dqn2snn.convert(q_network(), seen, recipe="tan2021", num_steps=steps, grid=None).plan
    return of_kind(kind, raw)


def film(length: int, batch: int, seed: int = 0) -> Tensor:
    """Frames that change a little, `[length, batch, 2, 6, 6]`."""
    generator = torch.Generator().manual_seed(seed)
    changes = 0.05 * torch.randn(length, batch, 2, 6, 6, generator=generator)
    return (torch.rand(batch, 2, 6, 6, generator=generator) + changes.cumsum(0)).clamp(0, 1)


def assert_same(one: Record, other: Record) -> None:
    for a, b in zip((*one.counts, *one.sent), (*other.counts, *other.sent), strict=True):
        assert torch.equal(a.double(), b.double())
    assert torch.allclose(one.q.double(), other.q.double(), atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("engine", ["auto", "torch", "modules"])
@pytest.mark.parametrize("backend", ["snntorch", "norse"])
def test_every_engine_streams_like_the_reference(kind: str, engine: str, backend: str) -> None:
    if backend == "norse":
        pytest.importorskip("norse")
    if backend == "norse" and engine != "modules":
        pytest.skip("the backend makes no difference to this engine")
    snn = SpikingQNetwork(plan_of(kind), backend, engine)
    one, other = snn.stream(), snn.stream(engine="reference")
    generator = torch.Generator().manual_seed(2)
    for observations in film(25, 3):
        episode_start = torch.rand(3, generator=generator) < 0.2
        assert_same(one.record(observations, episode_start), other.record(observations, episode_start))


@pytest.mark.parametrize("kind", KINDS)
def test_environments_do_not_touch_each_other(kind: str) -> None:
    snn = SpikingQNetwork(plan_of(kind))
    together, alone = snn.stream(), snn.stream()
    present = torch.tensor([[1, 1, 1], [1, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 0], [0, 1, 1]]).bool()
    for frames, there in zip(film(6, 3), present, strict=True):
        rows = torch.arange(3)[there].flip(0)
        q = together.step(frames[rows], rows=rows)
        if bool(there[1]):
            expected = alone.step(frames[1:2])
            assert torch.equal(q[rows == 1], expected)


@pytest.mark.parametrize("kind", KINDS)
def test_an_episode_begins_at_rest(kind: str) -> None:
    snn = SpikingQNetwork(plan_of(kind))
    frames = film(8, 1)
    stream, fresh = snn.stream(), snn.stream()
    for observations in frames[:5]:
        stream.step(observations)
    for i, observations in enumerate(frames[5:]):
        assert torch.equal(stream.step(observations, torch.tensor([i == 0])), fresh.step(observations))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in STATEFUL])
def test_what_remembers_nothing_decides_as_ever(kind: str) -> None:
    snn = SpikingQNetwork(plan_of(kind))
    stream = snn.stream()
    for observations in film(4, 2):
        assert torch.equal(stream.step(observations), snn(observations))


@pytest.mark.parametrize("kind", ["delta", "delta of single spikes"])
def test_nothing_drifts(kind: str) -> None:
    plan = plan_of(kind).cast(torch.float32)
    state = at_rest(plan, 2)
    for observations in film(300, 2):
        _, state = advance_layerwise(plan, observations, 2, plan.coding.between(plan, state))
    again = plan.coding.resynchronised(plan, state)
    for one, other in zip(state.layers, again.layers, strict=True):
        assert torch.equal(one.membrane, other.membrane)


def test_resynchronising_takes_rounding_errors_away() -> None:
    raw = dqn2snn.convert(
        q_network(), film(4, 50).flatten(0, 1), recipe="tan2021", num_steps=6, grid=None
    ).plan
    snn = SpikingQNetwork(KINDS["delta"](raw), engine="torch")
    plan = snn.plan.cast(torch.float32)
    state = at_rest(plan, 2)
    for observations in film(300, 2):
        _, state = advance_layerwise(plan, observations, 2, state)
    again = plan.coding.resynchronised(plan, state)
    differences = [
        float((one.membrane - other.membrane).abs().max())
        for one, other in zip(state.layers, again.layers, strict=True)
    ]
    assert 0 < max(differences) < 1e-3
    stream = snn.stream(resync_every=10)
    for observations in film(30, 2):
        assert bool(stream.step(observations).isfinite().all())


def test_a_still_image_costs_nothing_and_levels_are_those_of_the_quantised_network() -> None:
    plan = plan_of("delta", 64)
    stream = SpikingQNetwork(plan).stream()
    observations = film(1, 3)[0]
    for _ in range(3):
        record = stream.record(observations)
    assert sum(int(sent.sum()) for sent in record.sent) == 0
    level = observations
    for layer, count in zip(plan.cast(torch.float64).layers, record.counts, strict=False):
        drive = layer.affine(level.double() if level is observations else level) + layer.v_init
        expected = torch.floor(drive / layer.threshold).clamp(0, layer.max_count)
        # Neurons stop within one quantum of it; where they stop depends on the way.
        assert float((count - expected).abs().max()) <= 1
        level = count.double()


def test_warm_up_is_counted_as_sent() -> None:
    stream = SpikingQNetwork(plan_of("delta")).stream()
    record = stream.record(film(1, 1)[0])
    for sent, count in zip(record.sent[:-1], record.counts[:-1], strict=True):
        assert bool((sent >= count).all())
    assert float(record.sent[0].sum()) > 0


def test_a_stream_that_is_reset_begins_anew() -> None:
    frames = film(4, 2)
    stream = SpikingQNetwork(plan_of("delta")).stream()
    first = [stream.step(observations) for observations in frames]
    stream.reset()
    for observations, q in zip(frames, first, strict=True):
        assert torch.equal(stream.step(observations), q)


def test_parts_of_a_state_go_back_where_they_came_from() -> None:
    plan = plan_of("delta").cast(torch.float64)
    _, state = advance_layerwise(plan, film(1, 4)[0], 3, at_rest(plan, 4))
    rows = torch.tensor([False, True, True, False])
    put_back = merged(merged(state, rows, at_rest(plan, 2)), rows, selected(state, rows))
    for one, other in zip(state.layers, put_back.layers, strict=True):
        assert torch.equal(one.membrane, other.membrane)
        assert torch.equal(one.count, other.count)
    assert torch.equal(state.current, put_back.current)


def test_bad_arguments_are_refused() -> None:
    snn = SpikingQNetwork(plan_of("delta"))
    stream, observations = snn.stream(), film(1, 3)[0]
    with pytest.raises(ArgumentError, match="one bool for each of 3"):
        stream.step(observations, torch.zeros(2, dtype=torch.bool))
    with pytest.raises(ArgumentError, match="one bool for each of 3"):
        stream.step(observations, torch.zeros(3))
    with pytest.raises(ArgumentError, match="3 different numbers"):
        stream.step(observations, rows=torch.tensor([0, 1, 1]))
    with pytest.raises(ArgumentError, match="positive resync_every"):
        snn.stream(resync_every=0)
    with pytest.raises(ObservationError):
        stream.step(observations * float("nan"))
