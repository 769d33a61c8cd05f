"""The sample of a stream: which numbers, how many, and that batches do not matter."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dqn2snn.tracing import trace
from dqn2snn.tracing.calibration import _sample, calibrate
from dqn2snn.tracing.calibration._sample import Sample
from tests.agents import agent, observations


@given(st.integers(1, 5), st.lists(st.integers(0, 30), min_size=1, max_size=8), st.integers(1, 40))
@settings(max_examples=60)
def test_every_strideth_number_in_any_batches(groups: int, sizes: list[int], stride: int) -> None:
    count = sum(sizes)
    stream = torch.arange(groups * count, dtype=torch.float32).reshape(groups, count)
    sample = Sample(torch.zeros(groups, math.ceil(count / stride)), stride)
    for batch in stream.split(sizes, dim=1):
        sample.observe(batch)
    assert torch.equal(sample.values, stream[:, ::stride])


@given(st.integers(1, 600), st.integers(1, 10**9), st.integers(1, 10**4))
def test_strides_meet_every_position_and_bound_the_sample(groups: int, count: int, period: int) -> None:
    count = min(count, 10**9 // groups) + 1
    stride = Sample.of(1, 1).stride if count == 1 else None
    sample = Sample.of(groups, count, period)
    assert math.gcd(sample.stride, period) == 1
    assert sample.values.numel() <= max(_sample.MOST + groups, groups)
    assert stride in (None, 1)


@pytest.mark.parametrize("batch_size", [7, 64, 520])
def test_calibration_keeps_all_where_there_are_few(batch_size: int) -> None:
    graph = trace(agent("cartpole"), (4,))
    seen = observations("cartpole")
    stats = calibrate(graph, seen, batch_size=batch_size)
    with torch.no_grad():
        z = list(graph.cast(torch.float32).pre_activations(seen))
    for layer, expected in zip(stats.layers, z, strict=True):
        torch.testing.assert_close(layer.sample, expected.T.contiguous(), rtol=1e-5, atol=1e-5)


def test_images_are_thinned_evenly_and_the_same_in_any_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sample, "MOST", 10_000)
    seen = observations("minatar-freeway")[:100]
    graph = trace(agent("minatar-freeway"), tuple(seen.shape[1:]))
    first, second = (calibrate(graph, seen, batch_size=size).layers[0].sample for size in (9, 100))
    with torch.no_grad():
        z = next(graph.cast(torch.float32).pre_activations(seen))
    per_channel = z.transpose(0, 1).reshape(z.shape[1], -1)
    stride = math.ceil(per_channel.shape[1] / first.shape[1])
    assert stride > 1
    assert first.numel() <= 10_000 + len(first)
    torch.testing.assert_close(first, per_channel[:, ::stride], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-5)
