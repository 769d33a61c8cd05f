"""Confidence intervals: of a mean, of a proportion, of a paired difference, clustered by episode.

Decisions of one episode resemble each other, so that 5,000 decisions of 50 episodes tell less than 5,000
independent ones. Wherever observations come in episodes, pass the episodes' ids as `clusters`: the spread
is then measured between episodes (E. Miller, Adding Error Bars to Evals, 2024, arXiv 2411.00640).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from dqn2snn.errors import ArgumentError
from dqn2snn.metrics._clusters import ClusterSums, Vector, as_vector, cluster_sums
from dqn2snn.metrics._student import check_level, normal_quantile, student_t_quantile

__all__ = [
    "Interval",
    "mean_interval",
    "paired_interval",
    "proportion_interval",
]


@dataclass(frozen=True)
class Interval:
    """An estimate and the range that holds the true value with the stated confidence.

    Attributes:
        mean: The estimate.
        low: Lower end.
        high: Upper end.
        level: Confidence level inside (0, 1).
        count: Observations that entered the estimate (not clusters).

    Example:
        >>> print(Interval(mean=0.95, low=0.91, high=0.97, level=0.95, count=200))
        0.950 [0.910, 0.970]
    """

    mean: float
    low: float
    high: float
    level: float
    count: int

    def __str__(self) -> str:
        width = self.high - self.low
        # Two digits of the width: 0.99998 must not print as 1.
        form = f".{max(0, 1 - math.floor(math.log10(width)))}f" if 0.0 < width < math.inf else ".4g"
        return f"{self.mean:{form}} [{self.low:{form}}, {self.high:{form}}]"


def mean_interval(values: Vector, *, clusters: Vector | None = None, level: float = 0.95) -> Interval:
    """Student's interval of a mean, m ± t_(n-1) s / sqrt(n).

    With clusters the standard error is the cluster-robust one and t has one degree of freedom less than
    there are clusters; see `interval_of_mean`.

    Args:
        values: [N] finite numbers, for example one return per episode.
        clusters: [N] whole-number cluster ids; None takes the values as independent.
        level: Confidence level inside (0, 1).

    Returns:
        The interval; from minus to plus infinity for one value or one cluster, which shows no spread.

    Example:
        >>> print(mean_interval([10.0, 12.0, 14.0, 12.0]))
        12.0 [9.4, 14.6]
    """
    numbers = as_vector(values, "values")
    return interval_of_mean(cluster_sums(numbers, torch.ones_like(numbers), clusters), level=level)


def paired_interval(a: Vector, b: Vector, *, clusters: Vector | None = None, level: float = 0.95) -> Interval:
    """Student's interval of the mean of a - b, for scores that come in pairs.

    Pairing (the same seed for both players) removes the spread that the two have in common, so the
    interval is narrower than that of two independent means wherever the scores are correlated.

    Args:
        a: [N] scores, for example the spiking network's returns.
        b: [N] scores of the same seeds, for example the DQN's returns.
        clusters: [N] whole-number cluster ids of the pairs; None takes the pairs as independent.
        level: Confidence level inside (0, 1).

    Returns:
        The interval of the mean difference. It holds 0 where no difference is shown.

    Raises:
        ArgumentError: If the two differ in length.

    Example:
        >>> print(paired_interval([10.0, 20.0, 30.0], [9.0, 19.0, 29.5]))
        0.8 [0.1, 1.6]
    """
    first, second = as_vector(a, "a"), as_vector(b, "b")
    if first.shape != second.shape:
        raise ArgumentError(
            f"Expected as many scores in `a` as in `b`. Found {len(first)} and {len(second)}. "
            "Pass scores of the same seeds in the same order."
        )
    return mean_interval(first - second, clusters=clusters, level=level)


def proportion_interval(
    hits: Vector, clusters: Vector | None = None, *, weights: Vector | None = None, level: float = 0.95
) -> Interval:
    """Wilson's interval of a proportion, with the design effect of clusters and weights.

    It never shrinks to a point: where all of n hits agree, the lower end is n / (n + z^2). The formulas
    are at `interval_of_proportion`.

    Args:
        hits: [N] booleans, or zeros and ones.
        clusters: [N] whole-number cluster ids; None takes the hits as independent.
        weights: [N] weights of 0 or more; None weighs all alike.
        level: Confidence level inside (0, 1).

    Returns:
        The interval, inside [0, 1]; all of [0, 1] for a single cluster.

    Raises:
        ArgumentError: If `hits` or `weights` are out of range.

    Example:
        >>> print(proportion_interval([True] * 100))
        1.000 [0.963, 1.000]
        >>> print(proportion_interval([1, 1, 1, 0, 0, 0, 1, 1, 1], clusters=[1, 1, 1, 2, 2, 2, 3, 3, 3]))
        0.67 [0.04, 0.99]
    """
    numbers = as_vector(hits, "hits")
    if not bool(((numbers == 0) | (numbers == 1)).all()):
        raise ArgumentError("Expected hits of 0 or 1. Found other values. Pass booleans.")
    scale = torch.ones_like(numbers) if weights is None else as_vector(weights, "weights")
    if scale.shape != numbers.shape or bool((scale < 0).any()):
        raise ArgumentError(
            f"Expected {len(numbers)} weights of 0 or more. Found {len(scale)} with least value "
            f"{scale.min().item():g}. Pass one weight per hit."
        )
    return interval_of_proportion(cluster_sums(numbers * scale, scale, clusters), level=level)


def interval_of_mean(sums: ClusterSums, level: float = 0.95) -> Interval:
    """Student's interval of a ratio of sums r = sum x / sum w, from its sums by cluster.

    The variance is the linearised, cluster-robust one,

        G / (G - 1) * sum_g (x_g - r w_g)^2 / (sum w)^2,

    over the G clusters, and t has G - 1 degrees of freedom. With w = 1 and every value a cluster of its
    own this is the textbook s^2 / n.

    Args:
        sums: Sums by cluster.
        level: Confidence level inside (0, 1).

    Returns:
        The interval; infinite for a single cluster.
    """
    check_level(level)
    mean, clusters = sums.ratio, len(sums)
    half = math.inf
    if clusters > 1:
        error = math.sqrt(sums.squared_error * clusters / (clusters - 1))
        half = student_t_quantile(level, clusters - 1) * error
    return Interval(mean, mean - half, mean + half, level, _count(sums))


def interval_of_proportion(sums: ClusterSums, level: float = 0.95) -> Interval:
    """Wilson's interval of a weighted proportion p = sum w hit / sum w, from its sums by cluster.

    Wilson's interval (1927) of n trials is (p + z^2/2n ± z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n).
    Clusters and weights replace n by the effective sample size p (1 - p) / variance, that is Kish's n
    over the design effect, with the cluster-robust variance of `interval_of_mean`, and z by Student's t
    with G - 1 degrees of freedom (Korn and Graubard 1998, Survey Methodology 24, 193-201). Design effects
    below 1 count as 1. Where all hits agree the data show no variance, and so no design effect: it is
    then taken as 1, as it would be if a single hit had failed.

    Args:
        sums: Sums by cluster, the numerator between 0 and the denominator.
        level: Confidence level inside (0, 1).

    Returns:
        The interval, inside [0, 1].
    """
    check_level(level)
    mean, clusters = sums.ratio, len(sums)
    if sums.ids is None:
        quantile, variance = normal_quantile(level), sums.squared_error
    else:
        quantile = student_t_quantile(level, clusters - 1)
        variance = sums.squared_error * clusters / max(clusters - 1, 1)
    trials = sums.effective_count
    if mean * (1.0 - mean) < variance * trials:
        trials = mean * (1.0 - mean) / variance
    low, high = _wilson(mean, trials, quantile)
    return Interval(mean, low, high, level, _count(sums))


def _wilson(mean: float, trials: float, quantile: float) -> tuple[float, float]:
    if trials == 0.0 or math.isinf(quantile):
        return 0.0, 1.0
    excess = quantile**2 / trials
    centre = (mean + excess / 2.0) / (1.0 + excess)
    half = math.sqrt(excess * (mean * (1.0 - mean) + excess / 4.0)) / (1.0 + excess)
    # Rounding must not push an end past 0, 1 or the mean itself.
    return max(0.0, min(mean, centre - half)), min(1.0, max(mean, centre + half))


def _count(sums: ClusterSums) -> int:
    return int(sums.count.sum().item())
