"""Percentiles equal numpy's to the last bit, in bounded memory; what determines nothing is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from dqn2snn.errors import ArgumentError, CalibrationError, ObservationError
from dqn2snn.plan.graph import AffineLayer, LayerGraph
from dqn2snn.plan.ops import Dense, Reshape
from dqn2snn.tracing import trace
from dqn2snn.tracing.calibration import ActivationStats, calibrate
from tests.agents import agent, observations
from tests.geometries import Case, cases

PERCENTILES = (1.001, 50.0, 97.3, 99.0, 99.9, 100.0)


def pre_activations(graph: LayerGraph, batch: Tensor, batch_size: int) -> list[NDArray[np.float64]]:
    """What calibration sees: float32 numbers, computed in the same batches, as float64 `[N, C, positions]`."""
    runner = graph.cast(torch.float32)
    with torch.no_grad():
        parts = [list(runner.pre_activations(part.float())) for part in batch.split(batch_size)]
    joined = (torch.cat(z) for z in zip(*parts, strict=True))
    return [z.reshape(len(batch), z.shape[1], -1).double().numpy() for z in joined]


def assert_exact(stats: ActivationStats, graph: LayerGraph, batch: Tensor, batch_size: int) -> None:
    """Compare everything in the statistics with numpy."""
    for i, z in enumerate(pre_activations(graph, batch, batch_size)):
        found = stats.layers[i]
        assert found.name == graph.all_layers[i].name
        assert found.minimum.tolist() == z.min((0, 2)).tolist()
        assert found.maximum.tolist() == z.max((0, 2)).tolist()
        assert found.active_fraction == (z > 0).mean()
        for of, values in (("preactivation", z), ("activation", np.maximum(z, 0))):
            for p in stats.percentiles:
                assert stats.percentile(i, p, of=of) == np.percentile(values, p)  # type: ignore[arg-type]
                by_channel = stats.channel_percentile(i, p, of=of)  # type: ignore[arg-type]
                assert by_channel.dtype == torch.float64
                assert by_channel.tolist() == np.percentile(values, p, axis=(0, 2)).tolist()


@pytest.mark.parametrize("name", ["lunarlander", "minatar-freeway"])
@pytest.mark.parametrize("batch_size", [100, 256])
def test_percentiles_of_agents_are_those_of_numpy(name: str, batch_size: int) -> None:
    seen = observations(name)
    graph = trace(agent(name), tuple(seen.shape[1:]))
    stats = calibrate(graph, seen, PERCENTILES, batch_size=batch_size)
    assert stats.count == len(seen)
    assert stats.percentiles == PERCENTILES
    assert stats.observation_magnitude == float(seen.abs().max())
    assert_exact(stats, graph, seen, batch_size)


@given(
    cases(),
    st.lists(st.floats(1, 100, exclude_min=True), max_size=3),
    st.integers(16, 80),
    st.sampled_from([1e-30, 1e-3, 1.0, 1e6]),
)
@settings(max_examples=30)
def test_percentiles_of_random_networks_are_those_of_numpy(
    case: Case, percentiles: list[float], batch_size: int, magnitude: float
) -> None:
    seen = case.observations * magnitude
    stats = calibrate(case.graph, seen, percentiles, batch_size=batch_size)
    assert stats.percentiles == tuple(sorted({*percentiles, 100.0}))
    assert_exact(stats, case.graph, seen, batch_size)


def passing_through(size: int) -> LayerGraph:
    """A graph whose pre-activations are the observations themselves."""
    one = AffineLayer("fc", (Dense(torch.eye(size)),), torch.zeros(size), (size,), (size,))
    return LayerGraph((size,), (one,), one)


@given(
    st.lists(
        st.one_of(
            st.floats(width=32, allow_nan=False, allow_infinity=False),
            st.sampled_from([0.0, -0.0, 1e-45, -1e-45, 1.0, -1.0]),
        ),
        min_size=2,
        max_size=60,
    ),
    st.floats(1, 100, exclude_min=True),
)
def test_any_numbers_have_the_percentiles_of_numpy(values: list[float], percentile: float) -> None:
    """Denormals, ties, signed zeros, and magnitudes that float32 just holds."""
    assume(len(set(values)) > 1)
    assume(max(values) - min(values) <= np.finfo(np.float32).max)
    stats = calibrate(passing_through(1), torch.tensor(values)[:, None], (percentile,))
    expected = np.array(values, dtype=np.float32).astype(np.float64)
    assert stats.percentile(0, percentile) == np.percentile(expected, percentile)
    assert stats.percentile(0, percentile, of="activation") == np.percentile(
        np.maximum(expected, 0), percentile
    )


def test_the_batch_size_of_the_stream_changes_nothing() -> None:
    """The sums are exact here, so that not even their rounding does."""
    graph = passing_through(3)
    seen = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    tables = [
        [dict(layer.of_layer) for layer in calibrate(graph, seen, (50, 99.9), batch_size=size).layers]
        for size in (1, 3, 40, 1000)
    ]
    assert all(table == tables[0] for table in tables)


def test_one_observation_has_its_numbers_as_percentiles() -> None:
    stats = calibrate(passing_through(3), torch.tensor([[1.0, -2.0, 3.0]]), (50.0,))
    assert stats.percentile(0, 50.0) == 1.0
    assert stats.channel_percentile(0, 50.0).tolist() == [1.0, -2.0, 3.0]


def test_the_percentiles_leave_the_grad_mode_and_are_ordinary_tensors() -> None:
    with torch.inference_mode():
        stats = calibrate(passing_through(2), torch.rand(9, 2))
    assert not stats.layers[0].maximum.is_inference()
    assert not stats.channel_percentile(0, 99.9).is_inference()


@pytest.mark.parametrize(
    "dtype", [torch.uint8, torch.int64, torch.bool, torch.float16, torch.bfloat16, torch.float64]
)
def test_any_real_dtype(dtype: torch.dtype) -> None:
    seen = (torch.rand(50, 3) * 255).to(dtype)
    seen[0] = 0
    assert_exact(calibrate(passing_through(3), seen), passing_through(3), seen, 256)


# Size


def test_more_numbers_than_torch_quantile_takes_in_bounded_memory() -> None:
    """17 million pre-activations; torch.quantile stops at 16 million."""
    conv = nn.Conv2d(1, 16, 3, stride=2)
    graph = trace(nn.Sequential(conv, nn.ReLU(), nn.Flatten(), nn.Linear(16 * 17 * 17, 2)), (1, 35, 35))
    frames = torch.randint(
        0, 256, (3700, 1, 35, 35), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    assert graph.layers[0].neurons * len(frames) > 2**24
    stats = calibrate(graph, frames, (99.9,))
    z = pre_activations(graph, frames, 256)[0]
    with pytest.raises(RuntimeError, match="too large"):
        torch.quantile(torch.from_numpy(z).flatten(), 0.999)
    assert stats.percentile(0, 99.9) == np.percentile(z, 99.9)


def test_frames_are_not_copied() -> None:
    """Peak memory of the process would show torch's too, but not reliably; torch's profiler counts exactly."""
    graph = trace(
        nn.Sequential(nn.Conv2d(4, 1, 8, 8), nn.ReLU(), nn.Flatten(), nn.Linear(100, 2)), (4, 84, 84)
    )
    frames = torch.zeros(200, 4, 84, 84, dtype=torch.uint8)
    frames[100:] = 1
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        calibrate(graph, frames, batch_size=8)
    largest = max(abs(event.self_cpu_memory_usage) / event.count for event in profile.key_averages())
    assert largest < frames.numel() / 4


# Refusals


@pytest.mark.parametrize("percentile", [0, -1, 100.001, 1e9, float("nan"), float("inf"), "99", None])
def test_what_is_no_percentile_is_refused(percentile: Any) -> None:
    with pytest.raises(
        ArgumentError, match=r"Expected a percentile in \(1, 100\]\. Found .* Use one such as 99\.9"
    ):
        calibrate(passing_through(2), torch.rand(9, 2), (99.0, percentile))


@pytest.mark.parametrize(("fraction", "meant"), [(0.999, "99.9"), (0.5, "50"), (1.0, "100"), (1, "100")])
def test_fractions_are_refused_with_the_percentile_that_was_meant(fraction: float, meant: str) -> None:
    with pytest.raises(ArgumentError, match=rf"Found {fraction}\. Did you mean {meant}\?"):
        calibrate(passing_through(2), torch.rand(9, 2), (fraction,))


def test_percentiles_are_a_sequence() -> None:
    with pytest.raises(ArgumentError, match=r"Expected a sequence of percentiles\. Found 99\.9"):
        calibrate(passing_through(2), torch.rand(9, 2), 99.9)  # type: ignore[arg-type]


def test_a_percentile_that_was_not_taken_is_refused_with_those_that_were() -> None:
    stats = calibrate(passing_through(2), torch.rand(9, 2), (99.0,))
    with pytest.raises(CalibrationError, match=r"\(99\.0, 100\.0\)\. Found 99\.9 of 'preactivation'"):
        stats.percentile(0, 99.9)
    with pytest.raises(CalibrationError, match=r"percentiles=\(98,\)"):
        stats.channel_percentile(0, 98, of="activation")


@pytest.mark.parametrize("batch_size", [0, -3, 2.5, "7"])
def test_batch_sizes_are_positive_whole_numbers(batch_size: Any) -> None:
    with pytest.raises(ArgumentError, match="Expected a positive whole batch_size"):
        calibrate(passing_through(2), torch.rand(9, 2), batch_size=batch_size)


def test_no_observations_are_refused() -> None:
    with pytest.raises(
        CalibrationError, match=r"Found none\. Collect some with dqn2snn\.collect_observations"
    ):
        calibrate(passing_through(2), torch.zeros(0, 2))


@pytest.mark.parametrize("count", [2, 300])
def test_constant_observations_are_refused(count: int) -> None:
    with pytest.raises(
        CalibrationError, match=rf"Expected varied observations\. Found {count} that are all the same"
    ):
        calibrate(passing_through(2), torch.ones(count, 2))


def test_one_observation_that_differs_is_enough() -> None:
    seen = torch.ones(1000, 2)
    seen[-1, 1] = 0
    assert calibrate(passing_through(2), seen).count == 1000


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_observations_that_are_not_finite_are_refused(bad: float) -> None:
    seen = torch.rand(9, 2)
    seen[4, 1] = bad
    with pytest.raises(ObservationError, match="in 1 of 9, the first at index 4"):
        calibrate(passing_through(2), seen)


def test_observations_of_another_shape_are_refused() -> None:
    with pytest.raises(ObservationError, match=r"shape \[B, 2\]\. Found \[9, 3\]"):
        calibrate(passing_through(2), torch.rand(9, 3))


@pytest.mark.parametrize("seen", [torch.full((9, 2), 1e200, dtype=torch.float64), torch.full((9, 2), 3e38)])
def test_pre_activations_that_overflow_are_refused_by_layer(seen: Tensor) -> None:
    seen[0] = 0
    double = AffineLayer("wide", (Dense(2 * torch.eye(2)), Reshape((2,))), torch.zeros(2), (2,), (2,))
    with pytest.raises(CalibrationError, match="layer 'wide' overflows float32"):
        calibrate(LayerGraph((2,), (double,), double), seen)
