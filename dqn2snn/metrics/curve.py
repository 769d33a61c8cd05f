"""Agreement after every number of steps, from one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from dqn2snn.errors import ArgumentError
from dqn2snn.metrics._clusters import Vector
from dqn2snn.metrics.agreement import ActionAgreement
from dqn2snn.metrics.confidence import Interval

__all__ = ["agreement_curve"]


class QRecord(Protocol):
    """The part of a record that `agreement_curve` needs: both readouts after every step."""

    @property
    def q(self) -> Tensor:
        """[T, B, A] Q-values by the robust readout after 1 .. T steps."""

    @property
    def q_spike(self) -> Tensor | None:
        """[T, B, A] Q-values by the spike-count readout after 1 .. T steps, if there is one."""


@dataclass(frozen=True)
class AgreementCurve:
    """Action agreement after every number of steps.

    Attributes:
        num_steps: 1 .. T.
        robust: Agreement of the robust readout after each number of steps.
        spike_count: Agreement of the spike-count readout after each number of steps; empty if there is none.
    """

    num_steps: tuple[int, ...]
    robust: tuple[Interval, ...]
    spike_count: tuple[Interval, ...]


def agreement_curve(
    record: QRecord, q_dqn: Tensor, *, episode_ids: Vector | None = None, level: float = 0.95
) -> AgreementCurve:
    """Action agreement after 1 .. T steps, by both readouts.

    One run of T steps holds every shorter run, so no simulation is repeated. The intervals hold at each
    number of steps by itself; since all come from the same observations, neighbours go together.

    Args:
        record: A run, as ``snn.record(observations)`` returns it.
        q_dqn: [B, A] Q-values of the DQN on the same observations.
        episode_ids: [B] whole-number id of each observation's episode; None takes them as independent.
        level: Confidence level inside (0, 1).

    Returns:
        The curve.

    Raises:
        ArgumentError: If the record's readouts are not [T, B, A] with T >= 1.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace
        >>> q = torch.tensor([[[0.0, 0.0]], [[0.0, 0.5]]])                          # [T, B, A] = [2, 1, 2]
        >>> record = SimpleNamespace(q=q, q_spike=torch.zeros(2, 1, 2))
        >>> curve = agreement_curve(record, torch.tensor([[1.0, 2.0]]))
        >>> [interval.mean for interval in curve.robust], [interval.mean for interval in curve.spike_count]
        ([0.0, 1.0], [0.0, 0.0])
    """
    q, q_spike = record.q, record.q[:0] if record.q_spike is None else record.q_spike
    if q.dim() != 3 or (record.q_spike is not None and q.shape != q_spike.shape) or len(q) == 0:
        raise ArgumentError(
            f"Expected `record.q` and `record.q_spike` of one shape [T, B, A]. Found {tuple(q.shape)} and "
            f"{tuple(q_spike.shape)}. Pass what snn.record(observations) returns."
        )

    def agreement(q_snn: Tensor) -> Interval:
        metric = ActionAgreement(level=level)
        metric.update(q_dqn, q_snn, episode_ids)
        return metric.compute()

    return AgreementCurve(
        num_steps=tuple(range(1, len(q) + 1)),
        robust=tuple(agreement(q_snn) for q_snn in q),
        spike_count=tuple(agreement(q_snn) for q_snn in q_spike),
    )
