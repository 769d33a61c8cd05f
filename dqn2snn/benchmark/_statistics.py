"""Statistics over games and over paired episodes, without more assumptions than the episodes bear.

Over games the package follows Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical Precipice
(NeurIPS 2021, arXiv 2108.13264): the interquartile mean of normalised scores, with stratified bootstrap intervals.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from dqn2snn._utils.extras import require
from dqn2snn.errors import ArgumentError
from dqn2snn.metrics.confidence import Interval

Array = NDArray[np.float64]

Episodes = Sequence[Array]
"""The episodes of each seed of one game, ``[N, ...]`` each."""


def interquartile_mean(scores: Array) -> Array:
    """Mean of the middle half: the lowest and the highest quarter, rounded down, are left out.

    It is the trimmed mean of 25 %. Outliers do not move it as they move the mean, and it tells more than the median.

    Args:
        scores: ``[..., N]``, N >= 1.

    Returns:
        ``[...]``.

    Example:
        >>> float(interquartile_mean(np.array([100.0, 1.0, 2.0, 3.0])))
        2.5
    """
    cut = scores.shape[-1] // 4
    middle: Array = np.sort(scores, axis=-1)[..., cut : scores.shape[-1] - cut].mean(-1)
    return middle


def normalised(scores: Array, zero: float, one: float) -> Array:
    """Scores on the scale on which one reference, random play by habit, is 0 and another, a human, is 1.

    Args:
        scores: Any.
        zero: The score that becomes 0.
        one: The score that becomes 1.

    Returns:
        ``(scores - zero) / (one - zero)``.

    Example:
        >>> normalised(np.array([11.5, 7845.0]), zero=11.5, one=7845.0).tolist()
        [0.0, 1.0]
    """
    return (scores - zero) / (one - zero)


def bootstrap_interval(
    games: Sequence[Episodes],
    statistic: Callable[[list[Array]], Array],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile interval of a statistic over games, by resampling each game by itself.

    A resample draws, within each game, as many seeds as there are, with replacement, and of each the same number of
    episodes, again with replacement. With one seed it is a bootstrap over episodes.

    Args:
        games: Episodes of each seed of each game, ``[N, ...]``.
        statistic: Takes, of every game, means over the episodes of each seed, ``[R, S, ...]``, and gives ``[R]``.
        level: Confidence level inside (0, 1).
        resamples: R.
        seed: Of the draws.

    Returns:
        Interval: The statistic itself with the interval; infinite if some game has a single episode.

    Raises:
        ArgumentError: If there are no games, or one without episodes.

    Example:
        >>> game = [np.array([1.0, 2.0, 3.0, 4.0])]
        >>> print(bootstrap_interval([game], lambda means: means[0].mean(1)))
        2.5 [1.5, 3.5]
    """
    if not games or any(not len(runs) or any(not len(run) for run in runs) for runs in games):
        raise ArgumentError("Expected games with episodes. Found none. Run the benchmark first.")
    count = sum(len(run) for runs in games for run in runs)
    itself = float(statistic([np.stack([run.mean(0) for run in runs])[None] for runs in games])[0])
    if any(sum(map(len, runs)) == 1 for runs in games):
        return Interval(itself, -math.inf, math.inf, level, count)
    rng = np.random.default_rng(seed)
    found = statistic([_resampled(runs, resamples, rng) for runs in games])
    # Without interpolation, which would make NaN of two infinities.
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    return Interval(itself, float(low), float(high), level, count)


def _resampled(runs: Episodes, resamples: int, rng: np.random.Generator) -> Array:
    """Means of drawn episodes of drawn seeds, ``[R, S, ...]``."""
    seeds = len(runs)
    drawn = rng.integers(seeds, size=(resamples, seeds))
    means = np.empty((resamples, seeds, *runs[0].shape[1:]))
    for number, run in enumerate(runs):
        here = drawn == number
        episodes = rng.integers(len(run), size=(int(here.sum()), len(run)))
        means[here] = run[episodes].mean(1)
    return means


def paired_p_value(differences: Array, *, resamples: int = 9999, seed: int = 0) -> float:
    """Two-sided p-value of a mean paired difference: how often chance signs make it as large.

    If two players are alike, a difference is as likely as its negative. All signs are tried where there are no more
    than R of them, else R random ones. Then p is (1 + those as extreme) / (1 + R), which is never 0 (Phipson and Smyth
    2010).

    Args:
        differences: ``[N]``, N >= 1.
        resamples: R.
        seed: Determines the random signs.

    Returns:
        p in (0, 1].

    Raises:
        MissingExtraError: If SciPy is not installed.

    Example:
        >>> paired_p_value(np.array([1.0, 2.0, 3.0, 4.0]))  # 2 of 16 sign patterns are as extreme
        0.125
    """
    if len(differences) == 1:  # either sign is as extreme; SciPy wants two
        return 1.0
    test = require("scipy.stats", extra="bench").permutation_test
    rng = np.random.default_rng(seed)
    found = test((differences,), np.mean, permutation_type="samples", n_resamples=resamples, rng=rng)
    return float(found.pvalue)


def quotient(a: Array, b: Array) -> Array:
    """A / b; infinite where b, a mean of resampled returns, is not above 0."""
    quotient: Array = np.divide(a, b, out=np.full_like(a, np.inf), where=b > 0)
    return quotient
