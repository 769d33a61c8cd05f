"""Distance of Q-values from the DQN's, weighed by what decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dqn2snn.plan.graph import LayerGraph

_WIDE = 3.0
"""Gaps from which on an error of an advantage is no longer squared. It is a wrong decision whatever its size."""

_VALUE = 0.1
"""Weight of the value, on which no decision depends."""

_BATCH = 1024


@dataclass(frozen=True)
class Distillation:
    """The loss of Q-values q, given the DQN's y.

    With A = q - mean_a q the differential part and V = mean_a q the value, g the median gap between the DQN's best two
    actions and s the standard deviation of its value,

        huber((A_q - A_y) / 3g) + KL(softmax(y / g) | softmax(q / g)) + 0.1 huber((V_q - V_y) / s).

    Attributes:
        gap: g.
        spread: s.
    """

    gap: float
    spread: float

    @staticmethod
    def of(targets: Tensor) -> Distillation:
        """The loss for Q-values `[N, A]` of the DQN."""
        ordered = targets.sort(1, descending=True).values
        gaps = ordered[:, :1] - ordered[:, 1:2]
        size = max(float(targets.abs().max()), 1e-12)
        gap = float(gaps.median()) if gaps.numel() else size
        spread = float(targets.mean(1).std(correction=0))
        return Distillation(max(gap, 1e-5 * size), max(spread, 1e-5 * size))

    def __call__(self, q: Tensor, targets: Tensor) -> Tensor:
        """The loss of a batch, `[]`.

        Args:
            q: `[B, A]`.
            targets: The DQN's, `[B, A]`.
        """
        value, target = q.mean(1, keepdim=True), targets.mean(1, keepdim=True)
        error = ((q - value) - (targets - target)) / (_WIDE * self.gap)
        divergence = F.kl_div(
            F.log_softmax(q / self.gap, 1), F.softmax(targets / self.gap, 1), reduction="batchmean"
        )
        off = (value - target) / self.spread
        return (
            2 * F.huber_loss(error, torch.zeros_like(error))
            + divergence
            + _VALUE * F.huber_loss(off, 0 * off)
        )


def feature_distance(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """Distance between two networks' attention, summed over layers (LaSNN, Hong et al., arXiv 2304.09101).

    The attention of a layer is the sum over channels of its squared activations, one number for each position of an
    image and for each unit of a vector, scaled to length one.

    Args:
        found: Activations of each layer, `[B, *shape]`.
        wanted: The teacher's, in the same units but for a factor.

    Returns:
        Tensor: Mean over the batch, `[]`.
    """
    distance = torch.zeros(())
    for one, other in zip(found, wanted, strict=True):
        distance = distance + (_attention(one) - _attention(other)).square().sum(1).mean()
    return distance


def _attention(activations: Tensor) -> Tensor:
    squares = activations.square()
    summed = squares.sum(1) if squares.ndim > 2 else squares
    return F.normalize(summed.flatten(1), dim=1, eps=1e-6)


def taught(graph: LayerGraph, observations: Tensor) -> Tensor:
    """The DQN's Q-values, `[N, A]`, float32."""
    runner = graph.cast(torch.float32)
    with torch.no_grad():
        return torch.cat([runner(batch.float()) for batch in observations.split(_BATCH)])
