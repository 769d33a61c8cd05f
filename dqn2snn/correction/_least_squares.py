"""Weighted ridge regression by its normal equations, over any number of batches."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from dqn2snn.errors import ArgumentError

__all__ = ["NormalEquations"]


@dataclass
class NormalEquations:
    """Sums that determine the map h -> target that is best in the least squares, and not far from a given one.

    Attributes:
        inputs: Size F of h.
        outputs: Size A of the target.
    """

    inputs: int
    outputs: int
    _moments: Tensor = field(init=False)
    _cross: Tensor = field(init=False)

    def __post_init__(self) -> None:
        size = self.inputs + 1  # the last input is always one
        self._moments = torch.zeros(size, size, dtype=torch.float64)
        self._cross = torch.zeros(size, self.outputs, dtype=torch.float64)

    def add(self, h: Tensor, target: Tensor, weight: Tensor | None = None) -> None:
        """Take in samples.

        Args:
            h: `[B, F]`.
            target: `[B, A]`.
            weight: How much each counts, `[B]`; the same for all by default.
        """
        x = torch.cat([h.double(), torch.ones(len(h), 1, dtype=torch.float64)], dim=1)
        weighted = x if weight is None else x * weight.double()[:, None]
        self._moments += weighted.T @ x
        self._cross += weighted.T @ target.double()

    def solve(self, prior: Tensor, strength: float) -> tuple[Tensor, Tensor]:
        """The best map.

            minimise  mean |target - W h - b|^2 + strength mean_j var(h_j) |W - prior|^2,

        solved in float64 after both sides have been centred, which eliminates b.

        Args:
            prior: `[A, F]`, what W is drawn to.
            strength: Of that pull, 0 or more.

        Returns:
            tuple[Tensor, Tensor]: W `[A, F]` and b `[A]`, float64.

        Raises:
            ArgumentError: If `strength` is negative.
        """
        if strength < 0:
            raise ArgumentError(
                f"Expected strength >= 0. Found {strength}. 1e-4 does where there are enough samples."
            )
        total = self._moments[-1, -1]
        mean_h, mean_target = self._moments[-1, :-1] / total, self._cross[-1] / total
        covariance = self._moments[:-1, :-1] / total - torch.outer(mean_h, mean_h)
        cross = self._cross[:-1] / total - torch.outer(mean_h, mean_target)
        prior = prior.double()
        pull = strength * float(covariance.diagonal().mean().clamp(min=1e-300))
        regular = covariance + pull * torch.eye(self.inputs, dtype=torch.float64)
        change = torch.linalg.lstsq(regular, cross - covariance @ prior.T, driver="gelsd").solution
        weight = prior + change.T
        return weight, mean_target - weight @ mean_h
