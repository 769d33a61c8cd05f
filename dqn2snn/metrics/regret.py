"""Regret: what the spiking network's decisions cost by the DQN's own reckoning."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from dqn2snn.metrics._q_values import checked_pair
from dqn2snn.metrics._streaming import Ratio, StreamingMetric
from dqn2snn.metrics.confidence import interval_of_mean

__all__ = ["Regret", "regret"]


def regret(q_dqn: Tensor, q_snn: Tensor, *, relative: bool = False) -> float:
    """Mean of Q_dqn(a_dqn) - Q_dqn(a_snn), where each network chooses its argmax.

    It is 0 if all decisions agree or tie. With `relative` it is divided by the mean range of the DQN's
    Q-values, mean(max_a Q - min_a Q): then 1 stands for the worst action everywhere, and agents and games
    can be compared.

    Args:
        q_dqn: [B, A] Q-values of the DQN.
        q_snn: [B, A] Q-values of the spiking network on the same observations, in any units.
        relative: Whether to divide by the mean range.

    Returns:
        Regret per decision, 0 or more: in the DQN's units, or between 0 and 1 if relative.

    Example:
        >>> import torch
        >>> q_dqn, q_snn = torch.tensor([[5.0, 4.0, 1.0]]), torch.tensor([[0.0, 1.0, 0.0]])
        >>> regret(q_dqn, q_snn), regret(q_dqn, q_snn, relative=True)
        (1.0, 0.25)
    """
    return _regret(q_dqn, q_snn, relative).mean()


class Regret(StreamingMetric):
    """Streaming `regret` with Student's interval, clustered by episode.

    The interval is of a mean: it shrinks to a point where no decision costs anything, and its lower end may
    lie below 0.

    Args:
        relative: Whether to divide by the mean range of the DQN's Q-values.
        level: Confidence level of the interval, inside (0, 1).

    Example:
        >>> import torch
        >>> metric = Regret()
        >>> metric.update(torch.tensor([[5.0, 4.0], [3.0, 1.0]]), torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
        >>> metric.compute().mean
        0.5
    """

    def __init__(self, *, relative: bool = False, level: float = 0.95) -> None:
        super().__init__(partial(_regret, relative=relative), interval_of_mean, level)


def _regret(q_dqn: Tensor, q_snn: Tensor, relative: bool) -> Ratio:
    q_dqn, q_snn = checked_pair(q_dqn, q_snn)
    best = q_dqn.amax(1)
    lost = best - q_dqn.gather(1, q_snn.argmax(1, keepdim=True)).squeeze(1)
    return Ratio(lost, best - q_dqn.amin(1) if relative else best.new_ones(len(best)))
