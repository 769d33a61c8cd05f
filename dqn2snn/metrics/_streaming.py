"""Streaming metrics: batches in, an interval out."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from dqn2snn.errors import ArgumentError
from dqn2snn.metrics._clusters import ClusterSums, Vector, cluster_sums, merge
from dqn2snn.metrics._student import check_level
from dqn2snn.metrics.confidence import Interval


class Ratio(NamedTuple):
    """A metric before its sums are taken: it is sum(numerator) / sum(denominator) over observations.

    Attributes:
        numerator: [B] float64.
        denominator: [B] float64, 0 or more.
    """

    numerator: Tensor
    denominator: Tensor

    def mean(self) -> float:
        """The ratio of the sums over these observations."""
        return cluster_sums(*self).ratio


class StreamingMetric:
    """Gathers the sums of a metric by episode and turns them into an interval.

    Memory grows with the number of episodes or, where no episode ids are given, of observations (32 bytes
    each). The result does not depend on how the observations were dealt out to batches.

    Args:
        equation: The metric: from the Q-values of the DQN and of the spiking network to a ratio.
        interval: From sums and a confidence level to the interval.
        level: Confidence level of the interval, inside (0, 1).
    """

    def __init__(
        self,
        equation: Callable[[Tensor, Tensor], Ratio],
        interval: Callable[[ClusterSums, float], Interval],
        level: float,
    ) -> None:
        self.equation = equation
        self.level = check_level(level)
        self._interval = interval
        self._parts: list[ClusterSums] = []

    def update(self, q_dqn: Tensor, q_snn: Tensor, episode_ids: Vector | None = None) -> None:
        """Take a batch into account.

        Args:
            q_dqn: [B, A] Q-values of the DQN.
            q_snn: [B, A] Q-values of the spiking network on the same observations.
            episode_ids: [B] whole-number id of the episode of each observation. An id means the same episode
                in every batch. Without ids the observations count as independent.
        """
        self._parts.append(cluster_sums(*self.equation(q_dqn, q_snn), episode_ids))
        # Merged whenever as many batches wait as there are clusters, so that the copying stays linear.
        if len(self._parts) > len(self._parts[0]) + 1:
            self._parts = [merge(self._parts)]

    def compute(self) -> Interval:
        """The metric over all batches since the last reset, with its interval.

        Returns:
            The interval.

        Raises:
            ArgumentError: If nothing was taken in yet.
        """
        if not self._parts:
            raise ArgumentError("Expected at least one batch. Found none. Call update() before compute().")
        self._parts = [merge(self._parts)]
        return self.interval(self._parts[0])

    def interval(self, sums: ClusterSums) -> Interval:
        """The interval of sums that were gathered elsewhere."""
        return self._interval(sums, self.level)

    def reset(self) -> None:
        """Forget all batches."""
        self._parts = []
