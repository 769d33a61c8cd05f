"""Weights of states by how near their decision is to a tie."""

from __future__ import annotations

import torch
from torch import Tensor

from dqn2snn.plan.graph import LayerGraph

_NEAR = 3.0
"""Gap, in median gaps, at which a state has a quarter of the weight of a tie."""

_BATCH = 256


def decision_weights(graph: LayerGraph, observations: Tensor) -> Tensor:
    """Weights of observations by how near the DQN's second-best action is to its best, `[N]`, float64, at most one.

        w = (1 + gap / (3 median gap))^-2

    Example:
        >>> from dqn2snn.plan.graph import AffineLayer
        >>> from dqn2snn.plan.ops import Dense
        >>> head = AffineLayer("q", (Dense(torch.eye(2)),), torch.zeros(2), (2,), (2,))
        >>> decision_weights(LayerGraph((2,), (), head), torch.tensor([[1.0, 1.0], [3.0, 0.0], [0.0, 3.0]]))
        tensor([1.0000, 0.5625, 0.5625], dtype=torch.float64)
    """
    if graph.num_actions < 2:
        return torch.ones(len(observations), dtype=torch.float64)
    runner = graph.cast(torch.float32)
    with torch.no_grad():
        best = torch.cat(
            [runner(batch.float()).topk(2, dim=1).values for batch in observations.split(_BATCH)]
        )
    gap = (best[:, 0] - best[:, 1]).double()
    return (1 + gap / (_NEAR * gap.median()).clamp(min=1e-300)) ** -2
