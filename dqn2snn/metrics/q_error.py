"""Error of the Q-values, as far as it can change a decision."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

from torch import Tensor

from dqn2snn.metrics._clusters import ClusterSums
from dqn2snn.metrics._q_values import checked_pair
from dqn2snn.metrics._streaming import Ratio, StreamingMetric
from dqn2snn.metrics.confidence import Interval, interval_of_mean

__all__ = ["QError", "q_error"]


def q_error(q_dqn: Tensor, q_snn: Tensor, *, relative: bool = False) -> float:
    """Root mean square of the Q-values' differential-mode error.

    An error common to all actions never changes the greedy action; only what differs between actions does
    (Xu et al. 2026, Common-mode errors limit low-timestep deep spiking Q-networks). Hence each network's
    Q-values are centred over actions, c(a) = Q(a) - mean_a Q, before they are compared:

        sqrt( mean over observations and actions of (c_snn - c_dqn)^2 ).

    Args:
        q_dqn: [B, A] Q-values of the DQN.
        q_snn: [B, A] Q-values of the spiking network on the same observations, in the DQN's units.
        relative: Whether to divide by the root mean square of c_dqn.

    Returns:
        The error, 0 or more: in the DQN's units, or as a fraction if relative.

    Example:
        >>> import torch
        >>> q_dqn = torch.tensor([[1.0, 3.0]])
        >>> q_error(q_dqn, q_dqn + 100.0), q_error(q_dqn, torch.tensor([[0.0, 4.0]]))
        (0.0, 1.0)
    """
    return math.sqrt(_squared_error(q_dqn, q_snn, relative).mean())


class QError(StreamingMetric):
    """Streaming `q_error`, with the square root of Student's interval of the mean square, by episode.

    Args:
        relative: Whether to divide by the root mean square of the DQN's centred Q-values.
        level: Confidence level of the interval, inside (0, 1).

    Example:
        >>> import torch
        >>> metric = QError()
        >>> metric.update(torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0, 4.0]]))
        >>> metric.compute().mean
        1.0
    """

    def __init__(self, *, relative: bool = False, level: float = 0.95) -> None:
        super().__init__(partial(_squared_error, relative=relative), _interval_of_root, level)


def _squared_error(q_dqn: Tensor, q_snn: Tensor, relative: bool) -> Ratio:
    q_dqn, q_snn = (q - q.mean(1, keepdim=True) for q in checked_pair(q_dqn, q_snn))
    error = (q_snn - q_dqn).square().mean(1)
    return Ratio(error, q_dqn.square().mean(1) if relative else error.new_ones(len(error)))


def _interval_of_root(sums: ClusterSums, level: float) -> Interval:
    square = interval_of_mean(sums, level)
    mean, low, high = (math.sqrt(max(0.0, end)) for end in (square.mean, square.low, square.high))
    return replace(square, mean=mean, low=low, high=high)
