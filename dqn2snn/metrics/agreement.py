"""Agreement of decisions: the conversion rate of Tan et al., plain and weighed by the action gap."""

from __future__ import annotations

import torch
from torch import Tensor

from dqn2snn.errors import ArgumentError
from dqn2snn.metrics._q_values import checked_pair
from dqn2snn.metrics._streaming import Ratio, StreamingMetric
from dqn2snn.metrics.confidence import interval_of_proportion

__all__ = ["ActionAgreement", "GapWeightedAgreement", "action_agreement", "gap_weighted_agreement"]


def action_agreement(q_dqn: Tensor, q_snn: Tensor) -> float:
    """Share of observations on which both networks choose the same action.

    This is the conversion rate of Tan et al. (AAAI 2021, arXiv 2009.14456) if the observations are those
    that the spiking network visits. Each chooses argmax_a Q(a); of equal Q-values the one with the lowest
    index wins, as in ``torch.argmax``. A spike-count readout that is 0 for all actions so chooses action 0.

    Args:
        q_dqn: [B, A] Q-values of the DQN.
        q_snn: [B, A] Q-values of the spiking network on the same observations, in any units.

    Returns:
        A number in [0, 1].

    Example:
        >>> action_agreement(torch.tensor([[1.0, 2.0], [3.0, 0.0]]), torch.tensor([[0.1, 0.2], [0.1, 0.2]]))
        0.5
    """
    return _agreement(q_dqn, q_snn).mean()


def gap_weighted_agreement(q_dqn: Tensor, q_snn: Tensor) -> float:
    """Share of equal decisions with each observation weighed by the DQN's action gap.

        sum_i gap_i [a_dqn = a_snn] / sum_i gap_i,      gap_i = best minus second-best Q_dqn

    A disagreement where two actions are worth the same costs nothing and counts nothing; one where the DQN
    is sure counts in full. (The action gap is Farahmand's, NIPS 2011.)

    Args:
        q_dqn: [B, A] Q-values of the DQN, A >= 2.
        q_snn: [B, A] Q-values of the spiking network on the same observations, in any units.

    Returns:
        A number in [0, 1].

    Example:
        >>> q_dqn = torch.tensor([[0.0, 9.0], [1.0, 0.0]])
        >>> gap_weighted_agreement(q_dqn, torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
        0.9
    """
    return _gap_weighted(q_dqn, q_snn).mean()


class ActionAgreement(StreamingMetric):
    """Streaming `action_agreement` with Wilson's interval, clustered by episode.

    Args:
        level: Confidence level of the interval, inside (0, 1).

    Example:
        >>> metric = ActionAgreement()
        >>> metric.update(torch.eye(3), torch.eye(3), episode_ids=[0, 0, 1])
        >>> metric.update(torch.eye(3), torch.eye(3).flip(0), episode_ids=[1, 2, 2])
        >>> metric.compute().mean == 4 / 6
        True
    """

    def __init__(self, *, level: float = 0.95) -> None:
        super().__init__(_agreement, interval_of_proportion, level)


class GapWeightedAgreement(StreamingMetric):
    """Streaming `gap_weighted_agreement` with Wilson's interval, clustered by episode.

    Args:
        level: Confidence level of the interval, inside (0, 1).

    Example:
        >>> metric = GapWeightedAgreement()
        >>> metric.update(torch.tensor([[0.0, 9.0]]), torch.tensor([[0.0, 1.0]]))
        >>> metric.update(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
        >>> metric.compute().mean
        0.9
    """

    def __init__(self, *, level: float = 0.95) -> None:
        super().__init__(_gap_weighted, interval_of_proportion, level)


def _agreement(q_dqn: Tensor, q_snn: Tensor) -> Ratio:
    hits = _same_action(*checked_pair(q_dqn, q_snn))
    return Ratio(hits, torch.ones_like(hits))


def _gap_weighted(q_dqn: Tensor, q_snn: Tensor) -> Ratio:
    q_dqn, q_snn = checked_pair(q_dqn, q_snn)
    if q_dqn.shape[1] < 2:
        raise ArgumentError("Expected at least two actions. Found one. Use action_agreement instead.")
    best, second = q_dqn.topk(2, dim=1).values.unbind(1)
    gap = best - second
    return Ratio(gap * _same_action(q_dqn, q_snn), gap)


def _same_action(q_dqn: Tensor, q_snn: Tensor) -> Tensor:
    return (q_dqn.argmax(1) == q_snn.argmax(1)).double()
