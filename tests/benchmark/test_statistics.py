"""The statistics of the benchmark beside SciPy's, and beside what a simulation knows to be true."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from dqn2snn.benchmark._statistics import (
    bootstrap_interval,
    interquartile_mean,
    normalised,
    paired_p_value,
)
from dqn2snn.errors import ArgumentError

SCORES = arrays.arrays(float, st.integers(1, 30), elements=st.floats(-1e3, 1e3))


@given(SCORES)
def test_the_interquartile_mean_is_the_trimmed_one(scores: np.ndarray) -> None:
    assert interquartile_mean(scores) == pytest.approx(stats.trim_mean(scores, 0.25), rel=1e-9, abs=1e-9)


def test_the_interquartile_mean_is_taken_along_the_last_axis() -> None:
    scores = np.array([[1.0, 2.0, 3.0, 100.0], [0.0, 0.0, 4.0, 8.0]])
    assert interquartile_mean(scores).tolist() == [2.5, 2.0]


def test_a_human_is_one_and_random_play_is_zero() -> None:
    assert normalised(np.array([-20.7, 14.6, 18.9]), -20.7, 14.6) == pytest.approx([0.0, 1.0, 39.6 / 35.3])


@pytest.mark.parametrize("seed", range(4))
def test_the_p_value_of_few_pairs_is_that_of_all_signs(seed: int) -> None:
    differences = np.random.default_rng(seed).normal(0.5, 1, 9).round(2)
    expected = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert paired_p_value(differences) == pytest.approx(expected.pvalue)


def test_the_p_value_of_many_pairs_is_near_that_of_student() -> None:
    differences = np.random.default_rng(1).normal(0.25, 1, 60)
    expected = stats.ttest_1samp(differences, 0).pvalue
    assert 0.005 < expected < 0.2
    assert paired_p_value(differences) == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("count", [1, 5, 50])
def test_no_difference_has_p_value_one(count: int) -> None:
    assert paired_p_value(np.zeros(count)) == 1.0


def test_p_values_of_players_that_are_alike_are_rarely_small() -> None:
    rng = np.random.default_rng(1)
    found = np.array([paired_p_value(rng.normal(0, 1, 20), resamples=299) for _ in range(400)])
    assert (found <= 0.05).mean() == pytest.approx(0.05, abs=0.03)
    assert (found <= 0.5).mean() == pytest.approx(0.5, abs=0.08)


def test_the_bootstrap_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Eight games whose true scores are 0 to 7: the middle half has the mean 3.5."""
    rng, hits = np.random.default_rng(2), 0
    for _ in range(200):
        games = [[rng.normal(game, 1.0, 30)] for game in range(8)]
        interval = bootstrap_interval(
            games, lambda means: interquartile_mean(np.concatenate(means, axis=1)), resamples=400
        )
        hits += interval.low <= 3.5 <= interval.high
    assert 0.90 <= hits / 200 <= 0.985


def test_the_bootstrap_interval_of_a_mean_is_nearly_that_of_student() -> None:
    scores = np.random.default_rng(3).normal(10, 2, 80)
    interval = bootstrap_interval([[scores]], lambda means: means[0].mean(1))
    half = stats.t.ppf(0.975, 79) * scores.std(ddof=1) / math.sqrt(80)
    assert interval.mean == pytest.approx(scores.mean())
    assert interval.high - interval.low == pytest.approx(2 * half, rel=0.06)


def test_seeds_that_differ_widen_the_interval() -> None:
    rng = np.random.default_rng(4)
    alike = [rng.normal(0, 1, 20) for _ in range(5)]
    unlike = [run + 5 * number for number, run in enumerate(alike)]
    widths = [
        interval.high - interval.low
        for interval in (
            bootstrap_interval([runs], lambda means: means[0].mean(1)) for runs in (alike, unlike)
        )
    ]
    assert widths[1] > 5 * widths[0]


def test_a_single_episode_has_no_interval_and_no_game_is_refused() -> None:
    interval = bootstrap_interval([[np.array([3.0])]], lambda means: means[0].mean(1))
    assert (interval.mean, interval.low, interval.high) == (3.0, -math.inf, math.inf)
    for games in ([], [[]], [[np.array([])]]):
        with pytest.raises(ArgumentError, match="games with episodes"):
            bootstrap_interval(games, lambda means: means[0].mean(1))
