"""Engines: the same spikes from every one of them, on any geometry, threshold, initial membrane and reset."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import dqn2snn
from dqn2snn.dynamics.encode import constant_current
from dqn2snn.dynamics.record import Record
from dqn2snn.engine import simulate_reference
from dqn2snn.engine.layerwise import simulate_layerwise
from dqn2snn.network import SpikingQNetwork
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import per_channel
from tests import agents
from tests.engines import ENGINES
from tests.geometries import plans
from tests.neurons.textbook import textbook_neuron
from tests.properties import assert_same_counts, assert_same_q_values, assert_same_spikes

BACKENDS: list[str] = ["snntorch", "norse"]
NATIVE = [("torch", "snntorch"), ("modules", "snntorch"), ("modules", "norse")]

some = settings(max_examples=40)


@pytest.fixture
def threads() -> Iterator[None]:
    """Let torch use four threads, and then as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def oracle(plan: SpikingPlan, observations: Tensor, num_steps: int | None = None) -> Record:
    with torch.no_grad():
        return simulate_reference(plan, observations, num_steps or plan.num_steps, spikes=True)


# Exactness on random plans


@some
@given(case=plans(), dtype=st.sampled_from([torch.float32, torch.float64]))
def test_the_layerwise_engine_fires_the_spikes_of_the_oracle(
    case: tuple[SpikingPlan, Tensor], dtype: torch.dtype
) -> None:
    plan, observations = case
    with torch.no_grad():
        actual = simulate_layerwise(plan, observations, plan.num_steps, spikes=True, dtype=dtype)
    assert actual.q.dtype == actual.counts[0].dtype == dtype
    assert_same_spikes(actual, oracle(plan, observations))
    assert_same_q_values(actual, oracle(plan, observations))


@pytest.mark.parametrize("backend", BACKENDS)
@some
@given(case=plans(), dtype=st.sampled_from([torch.float32, torch.float64]))
def test_native_modules_fire_the_spikes_of_the_oracle(
    backend: str, case: tuple[SpikingPlan, Tensor], dtype: torch.dtype
) -> None:
    plan, observations = case
    snn = SpikingQNetwork(plan, backend, engine="modules").to(dtype)
    with torch.no_grad():
        actual = snn.record(observations, spikes=True)
    assert_same_spikes(actual, oracle(plan, observations))
    assert_same_q_values(actual, oracle(plan, observations))


@pytest.mark.parametrize("grid", [8, 11])
@settings(max_examples=20)
@given(data=st.data())
def test_a_grid_of_ones_own_is_exact_too(grid: int, data: st.DataObject) -> None:
    plan, observations = data.draw(plans(grid=grid))
    for engine, backend in NATIVE:
        actual = SpikingQNetwork(plan, backend).record(observations, spikes=True, engine=engine)  # type: ignore[arg-type]
        assert_same_spikes(actual, oracle(plan, observations))


@pytest.mark.parametrize("batch", [1, 2, 7, 127, 128, 129, 520])
@pytest.mark.parametrize("num_steps", [1, 3, 75])
def test_chunks_of_time_and_batches_leave_no_seam(batch: int, num_steps: int) -> None:
    plan, observations = agents.plan("cartpole"), agents.observations("cartpole")[:batch]
    with torch.no_grad():
        actual = simulate_layerwise(plan, observations, num_steps, spikes=True)
    assert actual.q.shape == (num_steps, batch, 2)
    assert_same_spikes(actual, oracle(plan, observations, num_steps))


class LargestTensor(TorchDispatchMode):
    """Sees the size of the largest tensor that an operation gives."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.numel = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.numel = max(self.numel, result.numel())
        return result


def test_memory_is_bounded_at_any_number_of_steps_and_observations() -> None:
    plan, observations = agents.plan("minatar-freeway"), agents.observations("minatar-freeway")
    largest = []
    for batch, num_steps in ((128, 50), (128, 500), (512, 50)):
        with torch.no_grad(), LargestTensor() as seen:
            simulate_layerwise(plan, observations[:batch], num_steps)
        largest.append(seen.numel)
    assert largest == [512 * 16 * 8 * 8] * 3


def test_a_progress_bar_changes_no_record(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    snn, observations = SpikingQNetwork(agents.plan("cartpole")), agents.observations("cartpole")[:200]
    quiet = snn.record(observations, 4)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("dqn2snn._utils.progress._DELAY", 0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert torch.equal(snn.record(observations, 4, progress=True).q, quiet.q)
    assert "simulate" in capsys.readouterr().err


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(("engine", "backend"), NATIVE)
@pytest.mark.parametrize("name", ["lunarlander", "minatar-freeway"])
def test_the_number_of_threads_changes_no_spike(name: str, engine: str, backend: str) -> None:
    snn = SpikingQNetwork(agents.plan(name), backend)
    assert_same_counts(snn.record(agents.observations(name)[:32], 32, engine=engine), agents.oracle(name, 32))


# What the numbers mean


@some
@given(plans())
def test_clamping_the_first_current_changes_no_spike(case: tuple[SpikingPlan, Tensor]) -> None:
    plan, observations = case
    first = plan.layers[0]
    assert plan.input_bits is not None
    assert first.fraction_bits is not None
    x = torch.round(observations.double() * 2.0**plan.input_bits) * 2.0**-plan.input_bits
    current = torch.round(first.affine(x) * 2.0**first.fraction_bits) * 2.0**-first.fraction_bits
    theta, v_init = (per_channel(tensor, first.shape) for tensor in (first.threshold, first.v_init))
    spikes, _ = textbook_neuron(current.expand(plan.num_steps, *current.shape), theta, v_init, first.reset)
    kept = oracle(plan, observations).spikes
    assert kept is not None
    assert torch.equal(kept[0], spikes.bool())


@some
@given(plans())
def test_q_values_are_the_mean_current_of_the_output_neurons(case: tuple[SpikingPlan, Tensor]) -> None:
    """With soft reset the robust rate loses nothing, at any number of steps."""
    plan, observations = case
    plan = replace(plan, output=replace(plan.output, reset="subtract"))
    record = oracle(plan, observations)
    assert record.spikes is not None
    rates = record.spikes[-2].double().cumsum(0) / torch.arange(1, plan.num_steps + 1).reshape(
        -1, *(1 for _ in record.spikes[-2].shape[1:])
    )
    mean_current = torch.stack([plan.output.affine(rate) for rate in rates]) / plan.output.threshold
    torch.testing.assert_close(record.q, plan.readout_scale * mean_current)


def test_q_spike_is_the_scaled_count() -> None:
    plan, record = agents.plan("lunarlander"), agents.oracle("lunarlander", 32)
    torch.testing.assert_close(record.q_spike[-1], plan.readout_scale * record.counts[-1] / agents.NUM_STEPS)
    assert record.q_spike.min() >= 0


@pytest.mark.parametrize("engine", ENGINES)
def test_spikes_are_kept_only_if_asked_for(engine: str) -> None:
    snn, observations = SpikingQNetwork(agents.plan("cartpole")), agents.observations("cartpole")[:5]
    with_spikes, without = (
        snn.record(observations, 20, spikes=keep, engine=engine) for keep in (True, False)
    )
    assert without.spikes is None
    assert with_spikes.spikes is not None
    assert [tuple(train.shape) for train in with_spikes.spikes] == [(20, 5, 64), (20, 5, 64), (20, 5, 2)]
    assert all(train.dtype == torch.bool for train in with_spikes.spikes)
    assert_same_counts(without, with_spikes)
    assert torch.equal(without.q, with_spikes.q)


@pytest.mark.parametrize(("engine", "backend"), [("reference", "snntorch"), *NATIVE])
@pytest.mark.parametrize("name", ["cartpole", "minatar-freeway"])
def test_no_observations_give_empty_records(name: str, engine: str, backend: str) -> None:
    snn, plan = SpikingQNetwork(agents.plan(name), backend), agents.plan(name)
    record = snn.record(agents.observations(name)[:0], 3, spikes=True, engine=engine)
    assert record.q.shape == (3, 0, plan.num_actions)
    assert [tuple(count.shape) for count in record.counts] == [(0, *layer.shape) for layer in plan.all_layers]


# Raw floats


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["cartpole", "lunarlander", "minatar-freeway"])
def test_raw_floats_give_close_q_values_in_every_engine(name: str, backend: str) -> None:
    """Spikes may then differ where a membrane all but equals its threshold."""
    observations = agents.observations(name)
    snn = dqn2snn.convert(agents.agent(name), observations, num_steps=200, grid=None, backend=backend)
    assert not snn.plan.on_grid
    expected = snn.record(observations[:32], engine="reference")
    spread = float(expected.q[-1].std())
    for engine in ENGINES:
        if engine == "reference":
            continue
        record = snn.record(observations[:32], engine=engine)
        assert record.q.dtype == torch.float32
        error = (record.q[-1].double() - expected.q[-1]).abs()
        assert error.mean() < 0.005 * spread
        assert error.max() < 0.1 * spread
        agreement = (record.q[-1].argmax(1) == expected.q[-1].argmax(1)).double().mean()
        assert agreement > 0.9


def test_raw_floats_may_be_simulated_for_longer_than_planned() -> None:
    observations = agents.observations("cartpole")
    snn = dqn2snn.convert(agents.agent("cartpole"), observations, num_steps=10, grid=None)
    assert snn.record(observations[:3], 25).q.shape == (25, 3, 2)


# Dtypes, modes, gradients


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.float64])
def test_observations_may_have_any_dtype(engine: str, dtype: torch.dtype) -> None:
    snn = SpikingQNetwork(agents.plan("minatar-freeway"), engine=engine)
    observations = agents.observations("minatar-freeway")[:4]
    assert torch.equal(snn.record(observations.to(dtype), 16).q, snn.record(observations, 16).q)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("dtype", "num_steps"), [(torch.bfloat16, 300), (torch.float16, 2100)])
def test_half_precision_networks_count_past_what_their_dtype_can(
    backend: str, dtype: torch.dtype, num_steps: int
) -> None:
    q_network = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
    with torch.no_grad():
        for parameter in q_network.parameters():
            parameter.fill_(1.0)
    snn = dqn2snn.convert(
        q_network, torch.tensor([[1.0], [2.0]]), num_steps=num_steps, backend=backend, engine="modules"
    ).to(dtype)
    with torch.no_grad():
        record = snn.record(torch.tensor([[3.0]]))
    assert record.counts[0].tolist() == [[num_steps, num_steps]]
    assert record.q.dtype == torch.float32
    assert float(record.q_spike[-1]) == pytest.approx(7.0, rel=0.02)


@pytest.mark.parametrize("engine", ENGINES)
def test_inference_mode_spoils_nothing_for_later(engine: str) -> None:
    snn, observations = (
        SpikingQNetwork(agents.plan("minatar-freeway"), engine=engine),
        agents.observations("minatar-freeway")[:4],
    )
    with torch.inference_mode():
        inside = snn(observations, 8)
    assert torch.equal(snn(observations, 8), inside)
    with torch.no_grad():
        assert torch.equal(snn(observations, 8), inside)


@pytest.mark.parametrize("backend", BACKENDS)
def test_only_the_modules_give_gradients(backend: str) -> None:
    snn, observations = (
        SpikingQNetwork(agents.plan("lunarlander"), backend),
        agents.observations("lunarlander"),
    )
    for engine in ("reference", "torch"):
        assert not snn.record(observations[:4], 8, engine=engine).q.requires_grad
    snn.record(observations[:4], 8, engine="modules").q[-1].sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in snn.network.parameters())


@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_observations_give_the_same_record(engine: str) -> None:
    snn, observations = SpikingQNetwork(agents.plan("lunarlander")), agents.observations("lunarlander")[:8]
    first, second = (snn.record(observations, 30, spikes=True, engine=engine) for _ in range(2))
    assert_same_spikes(first, second)
    assert torch.equal(first.q, second.q)


def test_simulating_changes_neither_plan_nor_observations() -> None:
    plan, observations = agents.plan("minatar-freeway"), agents.observations("minatar-freeway")[:4]
    before = [layer.affine.weight.clone() for layer in plan.all_layers], observations.clone()
    for engine in ENGINES:
        SpikingQNetwork(plan).record(observations, 8, engine=engine)
    assert all(
        torch.equal(layer.affine.weight, weight)
        for layer, weight in zip(plan.all_layers, before[0], strict=True)
    )
    assert torch.equal(observations, before[1])
    assert float(constant_current(plan, observations).max()) <= 1
