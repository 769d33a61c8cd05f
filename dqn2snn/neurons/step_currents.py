"""Bias currents that change from step to step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dqn2snn.plan import SpikingLayer
from dqn2snn.plan.graph import per_channel


class StepCurrents(nn.Module):
    """A bias current for each step of a decision, and none after the last of them.

    Every row of a batch has a step number of its own, so that rows may begin anew one by one.

    Args:
        step_bias: `[T, C]`, or `[T, C, 1, 1]` for images.

    Example:
        >>> currents = StepCurrents(torch.tensor([[0.25], [0.5]]))
        >>> currents(torch.zeros(3, 1), torch.tensor([0, 1, 2])).flatten().tolist()
        [0.25, 0.5, 0.0]
    """

    def __init__(self, step_bias: Tensor) -> None:
        super().__init__()
        self.step_bias = nn.Parameter(step_bias.float().clone())

    @classmethod
    def of(cls, layer: SpikingLayer, *, onset: bool = False) -> StepCurrents | None:
        """Those of a layer of a plan, or None if it has none.

        Args:
            layer: A layer behind the first.
            onset: Whether its bias is a current of the first step only.
        """
        rows = [] if layer.step_bias is None else [per_channel(row, layer.shape) for row in layer.step_bias]
        if onset:
            bias = per_channel(layer.affine.bias, layer.shape)
            rows = [bias + row for row in rows[:1] or [torch.zeros_like(bias)]] + rows[1:]
        return cls(torch.stack(rows)) if rows else None

    def forward(self, x: Tensor, step: Tensor) -> Tensor:
        """Add to `x` `[B, *shape]` the currents of `step` `[B]`, which counts from 0."""
        last = len(self.step_bias) - 1
        currents = self.step_bias[step.clamp(max=last)]
        present = (step <= last).reshape(-1, *(1 for _ in currents.shape[1:]))
        return x + currents * present


def at_onset(current: Tensor, step: Tensor) -> Tensor:
    """A current `[B, *shape]` where `step` `[B]` is the first of a decision, zeros elsewhere."""
    return current * (step == 0).to(current).reshape(-1, *(1 for _ in current.shape[1:]))
