"""The streaming face of a metric: batches in, an interval out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor

from dqn2snn.errors import ArgumentError
from dqn2snn.metrics._clusters import ClusterSums, Vector, cluster_sums, merge
from dqn2snn.metrics._student import check_level
from dqn2snn.metrics.confidence import Interval

__all__ = ["Ratio", "StreamingMetric"]


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


class StreamingMetric(ABC):
    """What the streaming metrics share: they gather sums by episode and turn them into an interval.

    Memory grows with the number of episodes or, where no episode ids are given, of observations (32 bytes
    each). The result does not depend on how the observations were dealt out to batches.

    Args:
        level: Confidence level of the interval, inside (0, 1).
    """

    def __init__(self, *, level: float = 0.95) -> None:
        self.level = check_level(level)
        self._parts: list[ClusterSums] = []

    def update(self, q_dqn: Tensor, q_snn: Tensor, episode_ids: Vector | None = None) -> None:
        """Take a batch into account.

        Args:
            q_dqn: [B, A] Q-values of the DQN.
            q_snn: [B, A] Q-values of the spiking network on the same observations.
            episode_ids: [B] whole-number id of the episode of each observation. An id means the same episode
                in every batch. Without ids the observations count as independent.
        """
        self._parts.append(cluster_sums(*self._ratio(q_dqn, q_snn), episode_ids))
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
        return self._interval(self._parts[0])

    def reset(self) -> None:
        """Forget all batches."""
        self._parts = []

    @abstractmethod
    def _ratio(self, q_dqn: Tensor, q_snn: Tensor) -> Ratio: ...

    @abstractmethod
    def _interval(self, sums: ClusterSums) -> Interval: ...
