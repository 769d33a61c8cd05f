"""Confidence intervals: against SciPy, against textbook numbers, and by how often they hold the truth."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dqn2snn.errors import ArgumentError
from dqn2snn.metrics._clusters import cluster_sums, merge
from dqn2snn.metrics._student import normal_quantile, student_t_quantile
from dqn2snn.metrics.confidence import (
    Interval,
    interval_of_mean,
    interval_of_proportion,
    mean_interval,
    paired_interval,
    proportion_interval,
)


@pytest.mark.parametrize("level", [0.01, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999])
@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 9, 10, 49, 100, 299, 300, 301, 302, 1000, 10**6])
def test_student_quantile_equals_scipy(level: float, degrees: int) -> None:
    expected = stats.t.ppf((1.0 + level) / 2.0, degrees)
    assert student_t_quantile(level, degrees) == pytest.approx(expected, rel=1e-9)


def test_student_quantile_without_degrees_of_freedom_is_infinite() -> None:
    assert student_t_quantile(0.95, 0) == math.inf
    with pytest.raises(ArgumentError, match="Found -1"):
        student_t_quantile(0.95, -1)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, -0.1, math.nan])
def test_levels_outside_the_unit_interval_are_refused(level: float) -> None:
    for refuse in (lambda: mean_interval([1.0], level=level), lambda: proportion_interval([1], level=level)):
        with pytest.raises(ArgumentError, match="confidence level"):
            refuse()


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30), st.sampled_from([0.5, 0.9, 0.99]))
def test_mean_interval_equals_scipy(values: list[float], level: float) -> None:
    ours = mean_interval(values, level=level)
    spread = float(stats.sem(values))
    size = max(1.0, *map(abs, values))
    assert ours.mean == pytest.approx(np.mean(values), abs=1e-9 * size)
    if spread > 1e-9 * size:
        low, high = stats.t.interval(level, len(values) - 1, np.mean(values), spread)
        assert (ours.low, ours.high) == pytest.approx((low, high), rel=1e-6, abs=1e-6 * size)
    assert (ours.level, ours.count) == (level, len(values))


def test_one_value_shows_no_spread() -> None:
    assert mean_interval([3.0]) == Interval(3.0, -math.inf, math.inf, 0.95, 1)
    assert mean_interval([3.0, 4.0], clusters=[5, 5]) == Interval(3.5, -math.inf, math.inf, 0.95, 2)


def test_mean_of_equal_sized_clusters_is_the_interval_of_their_means() -> None:
    values = torch.randn(6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    clustered = mean_interval(values.flatten(), clusters=torch.arange(6).repeat_interleave(5))
    of_means = mean_interval(values.mean(1))
    assert (clustered.low, clustered.high) == pytest.approx((of_means.low, of_means.high))
    assert (clustered.count, of_means.count) == (30, 6)


def test_paired_interval_is_that_of_the_differences() -> None:
    rng = np.random.default_rng(0)
    common, noise = rng.normal(0, 10, 40), rng.normal(0.5, 1, 40)
    ours = paired_interval(common + noise, common)
    oracle = stats.ttest_rel(common + noise, common).confidence_interval(0.95)
    assert (ours.low, ours.high) == pytest.approx((oracle.low, oracle.high), rel=1e-9)
    with pytest.raises(ArgumentError, match="Found 40 and 39"):
        paired_interval(common, common[1:])


@pytest.mark.parametrize(("hits", "trials"), [(0, 10), (1, 10), (5, 10), (10, 10), (999, 1000), (2, 3)])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_plain_proportion_is_wilsons(hits: int, trials: int, level: float) -> None:
    ours = proportion_interval([1] * hits + [0] * (trials - hits), level=level)
    oracle = stats.binomtest(hits, trials).proportion_ci(level, method="wilson")
    assert (ours.low, ours.high) == pytest.approx((oracle.low, oracle.high), abs=1e-12)


def _wilson(p: float, n: float, z: float) -> tuple[float, float]:
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


def test_clustered_proportion_against_a_plain_loop() -> None:
    rng = np.random.default_rng(1)
    clusters = rng.integers(0, 8, 200)
    hits = rng.random(200) < rng.random(8)[clusters]
    p = hits.mean()
    between = sum((hits[clusters == g] - p).sum() ** 2 for g in range(8)) / 200**2 * 8 / 7
    trials = p * (1 - p) / between
    assert trials < 50  # the clusters differ, so that they carry much less than 200 observations
    ours = proportion_interval(hits, clusters)
    expected = _wilson(p, trials, stats.t.ppf(0.975, 7))
    assert (ours.low, ours.high) == pytest.approx(expected, rel=1e-9)


def test_whole_clusters_that_agree_count_as_one_observation_each() -> None:
    clusters = np.repeat(np.arange(20), 50)
    ours = proportion_interval(clusters < 15, clusters)
    expected = _wilson(0.75, 19, stats.t.ppf(0.975, 19))
    assert (ours.low, ours.high) == pytest.approx(expected, rel=1e-9)


@given(st.integers(1, 40), st.integers(1, 10), st.booleans())
def test_full_agreement_never_gives_a_point(trials: int, clusters: int, hit: bool) -> None:
    ids = [i % clusters for i in range(trials)]
    for interval in (proportion_interval([hit] * trials), proportion_interval([hit] * trials, ids)):
        assert 0.0 <= interval.low <= interval.mean <= interval.high <= 1.0
        assert interval.high - interval.low > 0.05


def test_a_single_cluster_says_nothing() -> None:
    assert proportion_interval([1, 1, 0], [4, 4, 4]) == Interval(2 / 3, 0.0, 1.0, 0.95, 3)


def test_weights_of_one_change_nothing_and_whole_weights_repeat() -> None:
    assert proportion_interval([1, 0, 1, 1], weights=[1.0] * 4) == proportion_interval([1, 0, 1, 1])
    assert proportion_interval([1, 0, 1, 1], weights=[2.0, 1.0, 1.0, 3.0]).mean == pytest.approx(6 / 7)


def test_light_weighted_misses_do_not_outweigh_the_number_of_observations() -> None:
    hits, weights = [1] * 50 + [0], [1.0] * 50 + [1e-6]
    assert proportion_interval(hits, weights=weights).low == pytest.approx(
        _wilson(1, 50, 1.95996)[0], rel=1e-4
    )


def _coverage(draw: np.random.Generator, correlated: bool) -> float:
    held, runs, episodes, steps, truth = 0, 400, 30, 40, 0.9
    for _ in range(runs):
        rates = draw.beta(9, 1, episodes) if correlated else np.full(episodes, truth)
        hits = draw.random((episodes, steps)) < rates[:, None]
        interval = proportion_interval(hits.ravel(), np.repeat(np.arange(episodes), steps))
        held += interval.low <= truth <= interval.high
    return held / runs


@pytest.mark.parametrize("correlated", [False, True])
def test_clustered_intervals_hold_the_truth_as_often_as_they_say(correlated: bool) -> None:
    assert 0.92 <= _coverage(np.random.default_rng(2), correlated) <= 0.99


@pytest.mark.parametrize("with_ids", [False, True])
def test_sums_do_not_depend_on_how_the_observations_are_dealt_out(with_ids: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    top, bottom = torch.rand(2, 60, generator=generator, dtype=torch.float64)
    ids = torch.randint(0, 7, (60,), generator=generator) if with_ids else None
    whole = cluster_sums(top * bottom, bottom, ids)
    cuts = [0, 1, 1 + 20, 60]
    parts = [
        cluster_sums((top * bottom)[a:b], bottom[a:b], None if ids is None else ids[a:b])
        for a, b in itertools.pairwise(cuts)
    ]
    for interval in (interval_of_mean, interval_of_proportion):
        one, many = interval(whole), interval(merge(parts))
        assert dataclasses.astuple(many) == pytest.approx(dataclasses.astuple(one), rel=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_interval([]), "non-empty"),
        (lambda: mean_interval([[1.0, 2.0]]), r"shape \(1, 2\)"),
        (lambda: mean_interval([1.0, math.nan]), "NaN"),
        (lambda: mean_interval([1.0, 2.0], clusters=[1]), "2 whole-number"),
        (lambda: mean_interval([1.0, 2.0], clusters=[0.5, 1.5]), "float64"),
        (lambda: proportion_interval([0.5]), "0 or 1"),
        (lambda: proportion_interval([1, 0], weights=[1.0]), "2 weights"),
        (lambda: proportion_interval([1, 0], weights=[1.0, -1.0]), "least value -1"),
        (lambda: proportion_interval([1, 0], weights=[0.0, 0.0]), "weight above 0"),
    ],
)
def test_bad_arguments_are_named(call: Callable[[], Interval], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        call()


def test_inputs_may_be_lists_arrays_or_tensors_of_any_kind() -> None:
    read_only = np.array([0.1, 0.7, 0.4])
    read_only.flags.writeable = False
    expected = mean_interval([0.1, 0.7, 0.4])
    assert mean_interval(read_only) == expected
    learned = torch.tensor([0.1, 0.7, 0.4], dtype=torch.float64, requires_grad=True)
    assert mean_interval(learned) == expected


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (proportion_interval([1] * 160_000), "1.000000 [0.999976, 1.000000]"),
        (Interval(1234.5, 1100.2, 1400.7, 0.95, 50), "1234 [1100, 1401]"),
        (mean_interval([3.5]), "3.5 [-inf, inf]"),
        (mean_interval([2.0, 2.0]), "2 [2, 2]"),
    ],
)
def test_printing_keeps_what_the_interval_can_tell(interval: Interval, text: str) -> None:
    assert str(interval) == text


def test_an_interval_is_a_plain_frozen_value() -> None:
    interval = proportion_interval([1, 1, 0])
    assert pickle.loads(pickle.dumps(interval)) == interval == copy.deepcopy(interval)
    with pytest.raises(dataclasses.FrozenInstanceError):
        interval.mean = 0.0  # type: ignore[misc]
    assert normal_quantile(0.95) == pytest.approx(stats.norm.ppf(0.975), rel=1e-12)
