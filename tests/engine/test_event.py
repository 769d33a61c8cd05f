"""The event engine: every spike of the float64 reference, on any geometry, rate, observation and number of threads."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import dqn2snn
from dqn2snn.dynamics.record import Record
from dqn2snn.engine import simulate_reference
from dqn2snn.engine.decide import decide
from dqn2snn.engine.event import EventNetwork
from dqn2snn.errors import ArgumentError
from dqn2snn.network import SpikingQNetwork
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.plan.graph import per_channel
from tests import agents
from tests.engine.compiled import needs_extension
from tests.engine.wide import wide_case, wide_cases
from tests.geometries import plans
from tests.properties import assert_same_counts, assert_same_q_values, assert_same_spikes

pytestmark = needs_extension

FREEWAY = "minatar-freeway"
SEEDS = st.integers(0, 2**32 - 1)


def oracle(plan: SpikingPlan, observations: Tensor, num_steps: int | None = None) -> Record:
    with torch.no_grad():
        return simulate_reference(plan, observations, num_steps or plan.num_steps, spikes=True)


def assert_exact(plan: SpikingPlan, observations: Tensor, threads: int = 1) -> None:
    """Spikes, counts and Q-values are those of the oracle, and counts do not depend on whether spikes are kept."""
    snn = SpikingQNetwork(plan, engine="event", num_threads=threads)
    expected = oracle(plan, observations)
    actual = snn.record(observations, spikes=True)
    assert_same_spikes(actual, expected)
    assert_same_q_values(actual, expected)
    plain = snn.record(observations)
    assert_same_counts(plain, expected)
    assert torch.equal(plain.q, actual.q)
    assert torch.equal(snn(observations), actual.q[-1])
    assert torch.equal(snn.record(observations, engine="torch").q, actual.q)


def assert_same_decisions(plan: SpikingPlan, observations: Tensor, margin: float, every: int) -> None:
    snn = SpikingQNetwork(plan, engine="event")
    actual = snn.decide(observations, margin=margin, every=every)
    expected = decide(plan, snn.record(observations), margin, every)
    for found, wanted in zip(vars(actual).values(), vars(expected).values(), strict=True):
        assert torch.equal(found, wanted)


def is_taken(plan: SpikingPlan) -> bool:
    """Whether the engine takes a plan; see `test_what_is_refused_is_refused_for_a_reason`."""
    return SpikingQNetwork(plan).engine_in_use.name == "event"


# Exactness on random plans


@settings(max_examples=60)
@given(case=plans(), threads=st.sampled_from([1, 2]))
def test_small_plans(case: tuple[SpikingPlan, Tensor], threads: int) -> None:
    if is_taken(case[0]):
        assert_exact(*case, threads)


@settings(max_examples=60)
@given(seed=SEEDS, threads=st.sampled_from([1, 2]))
def test_wide_plans(seed: int, threads: int) -> None:
    case = wide_case(Random(seed))
    if case is not None and is_taken(case.plan):
        assert_exact(case.plan, case.observations, threads)


@pytest.mark.parametrize("grid", [8, 11])
@settings(max_examples=15)
@given(data=st.data())
def test_any_grid(grid: int, data: st.DataObject) -> None:
    case = data.draw(plans(grid=grid))
    if is_taken(case[0]):
        assert_exact(*case)


@settings(max_examples=40)
@given(case=plans(), margin=st.sampled_from([0.0, 0.5, 1.0, 3.0]), every=st.integers(1, 41))
def test_decisions_of_small_plans(case: tuple[SpikingPlan, Tensor], margin: float, every: int) -> None:
    plan, observations = case
    plan = replace(plan, output=replace(plan.output, reset="subtract"))
    if is_taken(plan):
        assert_same_decisions(plan, observations, margin, every)


def test_nearly_all_wide_plans_are_taken() -> None:
    assert len(wide_cases()) > 50
    taken = [SpikingQNetwork(case.plan).engine_in_use for case in wide_cases()]
    assert sum(choice.name == "event" for choice in taken) > 50
    refused = [choice.reason for choice in taken if choice.name != "event"]
    assert all("weights that a pooling adds up leave 16 bits" in reason for reason in refused)


def test_wide_plans_fire_at_all_rates() -> None:
    """Counts of neurons that are silent or saturated would be easily equal."""
    records = [SpikingQNetwork(case.plan).record(case.observations) for case in wide_cases()]
    rates = [float(count.mean()) / record.num_steps for record in records for count in record.counts]
    for low, high in ((0.0, 0.05), (0.05, 0.1), (0.1, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 1.0)):
        assert sum(low < rate < high for rate in rates) > 5


# Exactness on trained agents


@pytest.mark.parametrize("batch", [1, 7, 32])
@pytest.mark.parametrize("name", agents.NAMES)
def test_trained_agents(name: str, batch: int) -> None:
    observations, expected = agents.observations(name)[:batch], agents.oracle(name, batch)
    snn = SpikingQNetwork(agents.plan(name), engine="event")
    for num_steps in (1, 2, 16, 64, 500):
        assert_same_spikes(snn.record(observations, num_steps, spikes=True), expected)
        assert_same_counts(snn.record(observations, num_steps), expected)
    assert_same_q_values(snn.record(observations), expected)


@pytest.mark.parametrize("margin", [0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("name", agents.NAMES)
def test_decisions_of_trained_agents(name: str, margin: float) -> None:
    assert_same_decisions(agents.plan(name), agents.observations(name)[:64], margin, every=4)


@pytest.mark.parametrize("batch", [255, 256, 257, 513])
def test_batches_leave_no_seam(batch: int) -> None:
    snn = SpikingQNetwork(agents.plan("lunarlander"), engine="event", num_threads=2)
    record = snn.record(agents.observations("lunarlander")[:batch], 33, spikes=True)
    assert_same_spikes(record, agents.oracle("lunarlander", batch, 33))
    decision = snn.decide(agents.observations("lunarlander")[:batch], 33)
    assert torch.equal(decision.q, record.q[decision.steps - 1, torch.arange(batch)])


# Particular geometries


def converted(*modules: nn.Module, shape: tuple[int, ...], num_steps: int = 64) -> SpikingPlan:
    q_network = nn.Sequential(*modules).eval()
    generator = torch.Generator().manual_seed(0)
    for name, value in q_network.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 2.0, generator=generator)
        elif value.is_floating_point():
            value.normal_(generator=generator)
    observations = torch.rand(64, *shape, generator=generator)
    return dqn2snn.convert(q_network, observations, num_steps=num_steps, recipe="diehl2015").plan


GEOMETRIES: dict[str, tuple[tuple[nn.Module, ...], tuple[int, ...]]] = {
    "a bias for each neuron": (
        (nn.Conv2d(2, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), nn.Conv2d(4, 5, 3, padding=2), nn.ReLU()),
        (2, 7, 7),
    ),
    "a bias for each neuron of the first layer": (
        (nn.BatchNorm2d(2), nn.Conv2d(2, 5, 3, padding=1), nn.ReLU()),
        (2, 6, 5),
    ),
    "a pooling with padding": (
        (nn.Conv2d(2, 4, 3), nn.ReLU(), nn.AvgPool2d(3, 2, 1), nn.Conv2d(4, 5, 2), nn.ReLU()),
        (2, 8, 7),
    ),
    "an overlapping pooling of the observation": (
        (nn.AvgPool2d(3, 1), nn.Conv2d(1, 4, 3), nn.ReLU()),
        (1, 8, 8),
    ),
    "a global pooling": ((nn.Conv2d(2, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1)), (2, 6, 6)),
    "depthwise": (
        (nn.Conv2d(3, 130, 1), nn.ReLU(), nn.Conv2d(130, 130, 3, groups=130), nn.ReLU()),
        (3, 5, 5),
    ),
    "a kernel of the whole image": ((nn.Conv2d(3, 65, (6, 5)), nn.ReLU()), (3, 6, 5)),
    "a stride beyond the kernel": ((nn.Conv2d(3, 7, 2, stride=3), nn.ReLU()), (3, 11, 8)),
    "an image one pixel high": ((nn.Conv2d(3, 7, (1, 3), dilation=(1, 2)), nn.ReLU()), (3, 1, 9)),
    "one channel all along": ((nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Conv2d(1, 1, 1), nn.ReLU()), (1, 1, 1)),
}


@pytest.mark.parametrize("name", GEOMETRIES)
def test_geometry(name: str) -> None:
    body, shape = GEOMETRIES[name]
    with torch.no_grad():
        width = nn.Sequential(*body).eval()(torch.zeros(1, *shape)).numel()
    plan = converted(*body, nn.Flatten(), nn.Linear(width, 9), nn.ReLU(), nn.Linear(9, 3), shape=shape)
    assert_exact(plan, torch.rand(7, *shape, generator=torch.Generator().manual_seed(1)), threads=2)


# Observations


@pytest.mark.parametrize("name", ["lunarlander", FREEWAY])
@pytest.mark.parametrize("factor", [0.0, -1.0, 1e-30, 1e3, 1e6, -1e6, 1e12, 1e30])
def test_observations_far_from_those_of_calibration(name: str, factor: float) -> None:
    plan = replace(agents.plan(name), num_steps=20)
    for dtype in (torch.float32, torch.float64):
        assert_exact(plan, agents.observations(name)[:5].to(dtype) * factor)


@pytest.mark.parametrize(
    "dtype",
    [
        torch.bool,
        torch.uint8,
        torch.int8,
        torch.int16,
        torch.int64,
        torch.float16,
        torch.bfloat16,
        torch.float64,
    ],
    ids=str,
)
def test_observations_of_any_dtype(dtype: torch.dtype) -> None:
    plan, observations = agents.plan(FREEWAY), agents.observations(FREEWAY)[:4]
    assert_exact(replace(plan, num_steps=20), observations.to(dtype))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32], ids=str)
def test_observations_in_any_memory_layout(dtype: torch.dtype) -> None:
    plan, observations = agents.plan(FREEWAY), agents.observations(FREEWAY)[:9].to(dtype)
    snn = SpikingQNetwork(plan, engine="event")
    expected = snn.record(observations, 20).q
    channels_last = observations.contiguous(memory_format=torch.channels_last)
    misaligned = torch.cat([observations[:1, :1, :1, :1].reshape(1), observations.flatten()])[1:]
    reversed_array = observations.flip(3).numpy()[..., ::-1]
    for same in (channels_last, misaligned.view_as(observations), reversed_array):
        assert torch.equal(snn.record(same, 20).q, expected)
    assert torch.equal(snn.record(observations[1::2], 20).q, expected[:, 1::2])
    assert torch.equal(snn.record(observations[:1].expand(3, -1, -1, -1), 20).q[:, 2], expected[:, 0])


@settings(max_examples=25)
@given(
    seed=SEEDS,
    scale=st.sampled_from([0.01, 1.0, 300.0]),
    quantum=st.sampled_from([1.0, 0.5, 2.0**-10, 2.0**-21, 0.1]),
)
def test_whole_and_fractional_observations(seed: int, scale: float, quantum: float) -> None:
    """Whole numbers up to 255 have a path of their own in the engine; halves and ties of rounding have not."""
    generator = torch.Generator().manual_seed(seed)
    observations = torch.round(scale * torch.randn(6, 8, generator=generator) / quantum) * quantum
    assert_exact(replace(agents.plan("lunarlander"), num_steps=10), observations)


def test_observations_are_read_only() -> None:
    observations = agents.observations(FREEWAY)[:4].clone()
    before = observations.clone()
    SpikingQNetwork(agents.plan(FREEWAY), engine="event").record(observations, 4)
    assert torch.equal(observations, before)


@pytest.mark.parametrize("recipe", ["rate", "burst", "sigma_delta"])
def test_spikes_are_kept_of_the_layers_that_are_asked_for(recipe: str) -> None:
    observations = agents.observations(FREEWAY)[:4]
    plan = dqn2snn.convert(agents.agent(FREEWAY), observations, recipe=recipe, num_steps=8).plan
    network, steps = EventNetwork(plan), plan.num_steps
    shapes = [(steps, len(observations), *layer.shape) for layer in plan.all_layers]
    every = [np.empty(shape, np.int8) for shape in shapes]
    network.run(observations, steps, 1, spikes=every)
    for wanted, shape in enumerate(shapes):
        alone = np.empty(shape, np.int8)
        network.run(
            observations, steps, 1, spikes=[alone if i == wanted else None for i in range(len(shapes))]
        )
        assert np.array_equal(alone, every[wanted])
    assert any(train.any() for train in every)


# Raw floats


@pytest.mark.parametrize("name", ["cartpole", "lunarlander", FREEWAY])
def test_raw_floats_are_close(name: str) -> None:
    """Membranes that all but equal a threshold may then fall on either side."""
    observations = agents.observations(name)
    network = agents.agent(name)
    snn = dqn2snn.convert(network, observations, recipe="tan2021", num_steps=200, grid=None, engine="event")
    actual, expected = (snn.record(observations[:32], engine=engine) for engine in ("event", "reference"))
    spread = float(expected.q[-1].std())
    error = (actual.q[-1].double() - expected.q[-1]).abs()
    assert error.mean() < 0.005 * spread
    assert error.max() < 0.1 * spread
    for count, wanted in zip(actual.counts, expected.counts, strict=True):
        assert (count - wanted).abs().mean() < 0.01 * snn.plan.num_steps


def test_raw_floats_differ_only_where_a_membrane_all_but_equals_its_threshold() -> None:
    """The bound of docs/explanation/events.md, at every neuron's first other spike while its inputs were the same."""
    q_network = nn.Sequential(
        nn.Conv2d(4, 32, 8, 4), nn.ReLU(), nn.Conv2d(32, 64, 4, 2), nn.ReLU(), nn.Flatten(),
        nn.Linear(1024, 128), nn.ReLU(), nn.Linear(128, 6),
    )  # fmt: skip
    observations = torch.rand(64, 4, 44, 44)
    plan = dqn2snn.convert(q_network, observations, recipe="tan2021", num_steps=300, grid=None).plan
    actual = SpikingQNetwork(plan, engine="event").record(observations[:32], spikes=True).spikes
    expected = oracle(plan, observations[:32]).spikes
    assert actual is not None
    assert expected is not None
    compared = 0
    for i, layer in enumerate(plan.all_layers):
        differs = (actual[i] != expected[i]).flatten(1)
        inputs = expected[i - 1].double().cumsum(0) if i else None
        same = _steps_alike(actual[i - 1], expected[i - 1]) if i else torch.full((32,), plan.num_steps)
        neurons = layer.affine.neurons
        for column in torch.nonzero(differs.any(0)).flatten().tolist():
            step = int(differs[:, column].int().argmax())  # the first
            sample, neuron = divmod(column, neurons)
            if step >= same[sample]:
                continue
            seen = (
                observations[sample : sample + 1].double() * (step + 1)
                if inputs is None
                else inputs[step, sample][None]
            )
            count = float(expected[i][:step, sample].flatten(1)[:, neuron].sum())
            distance, bound = _distance_and_bound(layer, seen, step + 1, count, neuron, i == 0)
            assert distance <= bound
            compared += 1
    assert compared > 10


def _steps_alike(a: Tensor, b: Tensor) -> Tensor:
    """For how many steps the trains `[T, B, *shape]` are the same, for each sample."""
    return (a == b).flatten(2).all(2).int().cumprod(0).sum(0)


def _distance_and_bound(
    layer: SpikingLayer, seen: Tensor, steps: int, count: float, neuron: int, first: bool
) -> tuple[float, float]:
    """How far the exact membrane is from the threshold, and how far a float32 membrane may be from the exact one."""
    affine = layer.affine
    theta = float(layer.threshold.expand(affine.out_shape[0]).max())
    none, ones = torch.zeros_like(affine.bias), torch.ones_like(affine.weight)
    drive, spread, arrived = (
        float(affine.with_parameters(weight, none)(x).flatten()[neuron])
        for weight, x in ((affine.weight, seen), (affine.weight.abs(), seen.abs()), (ones, seen.abs()))
    )
    bias = float(per_channel(affine.bias, affine.out_shape).expand(affine.out_shape).flatten()[neuron])
    membrane = drive + steps * bias - theta * count
    largest = spread + steps * abs(bias) + theta * count
    additions = 2 * steps + (0 if first else arrived)
    return abs(membrane - theta), additions * 2.0**-24 * largest


# What it refuses


def test_what_is_refused_is_refused_for_a_reason() -> None:
    """Four weights of the largest size, which an overlapping pooling adds up, leave 16 bits."""
    plan = converted(
        nn.Conv2d(1, 2, 1), nn.ReLU(), nn.AvgPool2d(2, 1), nn.Conv2d(2, 3, 2), nn.ReLU(), nn.Flatten(),
        nn.Linear(27, 2), shape=(1, 5, 5), num_steps=1,
    )  # fmt: skip
    heavy = plan.layers[1]
    weight = heavy.affine.weight / heavy.affine.weight.abs().max() * (2**15 - 1) * 2.0**-14
    affine = heavy.affine.with_parameters(torch.round(weight * 2**14) * 2.0**-14, heavy.affine.bias)
    heavy = replace(heavy, affine=affine, fraction_bits=14, weight_bits=14)
    plan = replace(plan, layers=(plan.layers[0], heavy))
    reason = "of layer '3': weights that a pooling adds up leave 16 bits"
    assert SpikingQNetwork(plan).engine_in_use.reason == reason
    observations = torch.rand(3, 1, 5, 5)
    assert_same_spikes(SpikingQNetwork(plan).record(observations, spikes=True), oracle(plan, observations))
    for call in (
        lambda: SpikingQNetwork(plan, engine="event"),
        lambda: SpikingQNetwork(plan).record(observations, engine="event"),
        lambda: SpikingQNetwork(plan).decide(observations, engine="event"),
    ):
        with pytest.raises(
            ArgumentError, match=f'Expected a plan that engine="event".*{reason}.*Use engine="auto"'
        ):
            call()
