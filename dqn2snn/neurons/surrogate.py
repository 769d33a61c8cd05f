"""The firing decision `v >= threshold`, with a gradient for fine-tuning."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


class _Fire(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, distance: Tensor, alpha: float) -> Tensor:
        ctx.save_for_backward(distance)
        ctx.alpha = alpha
        return (distance >= 0).to(distance.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (distance,) = ctx.saved_tensors
        slope = ctx.alpha / 2 / (1 + (math.pi / 2 * ctx.alpha * distance) ** 2)
        return gradient * slope, None


class FireAtThreshold:
    """`s = [x >= 0]` with the arctangent surrogate gradient `(a/2) / (1 + (pi a x / 2)^2)` (Fang et al. 2021).

    The surrogates of snnTorch and Norse fire at x > 0 only and give float32 whatever comes in. On a grid a
    membrane often equals its threshold, and it fires then in the conversion papers; this one does, and keeps the
    dtype. It is a class, so that modules that hold it can be pickled.

    Args:
        alpha: a, the steepness of the surrogate.

    Example:
        >>> FireAtThreshold()(torch.tensor([-0.5, 0.0, 0.5]))
        tensor([0., 1., 1.])
    """

    def __init__(self, alpha: float = 2.0) -> None:
        self.alpha = alpha

    def __call__(self, distance: Tensor) -> Tensor:
        """Spikes, 0 or 1, in the dtype of `distance` = v - threshold."""
        return _Fire.apply(distance, self.alpha)  # type: ignore[no-any-return, no-untyped-call]

    def __repr__(self) -> str:
        return f"FireAtThreshold(alpha={self.alpha})"
