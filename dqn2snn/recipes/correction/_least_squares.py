"""Weighted ridge regression by normal equations, over any number of batches, with the pull that generalises best."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dqn2snn.errors import ArgumentError

STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Strengths of the pull among which one is chosen."""
_FOLDS = 4


@dataclass(frozen=True, eq=False)
class NormalEquations:
    """Sums over samples that determine the map h -> target which is best in the least squares.

    Attributes:
        moments: sum w x x^T, `[F + 1, F + 1]` float64, with x = (h, 1).
        cross: sum w x target^T, `[F + 1, A]`.
    """

    moments: Tensor
    cross: Tensor

    @staticmethod
    def of(h: Tensor, target: Tensor, weight: Tensor | None = None) -> NormalEquations:
        """Sum over a batch.

        Args:
            h: `[B, F]`.
            target: `[B, A]`.
            weight: Weight of each sample, `[B]`; one by default.

        Returns:
            NormalEquations: Sums, to be added to those of other batches.
        """
        x = torch.cat([h.double(), torch.ones(len(h), 1, dtype=torch.float64)], dim=1)
        weighted = x if weight is None else x * weight.double()[:, None]
        return NormalEquations(weighted.T @ x, weighted.T @ target.double())

    def __add__(self, other: NormalEquations) -> NormalEquations:
        """Sums over both sets of samples."""
        return NormalEquations(self.moments + other.moments, self.cross + other.cross)

    def __sub__(self, other: NormalEquations) -> NormalEquations:
        """Sums over the samples that are in this set only."""
        return NormalEquations(self.moments - other.moments, self.cross - other.cross)

    def solve(self, prior: Tensor, strength: float) -> tuple[Tensor, Tensor]:
        """Solve for the best map.

            minimise  mean |target - W h - b|^2 + strength mean_j var(h_j) |W - prior|^2,

        solved in float64 after both sides have been centred, which eliminates b.

        Args:
            prior: `[A, F]`, the weights towards which W is pulled.
            strength: Strength of that pull, 0 or more.

        Returns:
            tuple[Tensor, Tensor]: W `[A, F]` and b `[A]`, float64.

        Raises:
            ArgumentError: If `strength` is negative.
        """
        if strength < 0:
            raise ArgumentError(
                f"Expected strength >= 0. Found {strength}. None takes the one that generalises best."
            )
        total = self.moments[-1, -1]
        mean_h, mean_target = self.moments[-1, :-1] / total, self.cross[-1] / total
        covariance = self.moments[:-1, :-1] / total - torch.outer(mean_h, mean_h)
        wanted = self.cross[:-1] / total - torch.outer(mean_h, mean_target) - covariance @ prior.double().T
        pull = strength * float(covariance.diagonal().mean())
        weight = prior.double() + _solution(covariance, wanted, pull).T
        return weight, mean_target - weight @ mean_h

    def loss(self, weight: Tensor, bias: Tensor) -> float:
        """The summed squared error of a map on these samples, less what does not depend on the map."""
        both = torch.cat([weight, bias[:, None]], dim=1)
        return float(((both @ self.moments) * both).sum() - 2 * (both * self.cross.T).sum())


def _solution(covariance: Tensor, wanted: Tensor, pull: float) -> Tensor:
    regular = covariance + pull * torch.eye(len(covariance), dtype=torch.float64)
    factor, failed = torch.linalg.cholesky_ex(regular)
    if pull > 0 and not bool(failed):
        return torch.cholesky_solve(wanted, factor)
    solution: Tensor = torch.linalg.lstsq(regular, wanted, driver="gelsd").solution
    return solution


class Samples:
    """Normal equations of N samples in order, a quarter of them at a time.

    Args:
        count: N.
    """

    def __init__(self, count: int) -> None:
        self._count, self._seen = count, 0
        self._folds: list[NormalEquations | None] = [None] * _FOLDS

    def add(self, h: Tensor, target: Tensor, weight: Tensor | None = None) -> None:
        """Take the next samples in; see `NormalEquations.of`."""
        for fold in range(_FOLDS):
            first, last = (self._count * k // _FOLDS - self._seen for k in (fold, fold + 1))
            rows = slice(max(first, 0), max(last, 0))
            if len(h[rows]):
                part = NormalEquations.of(h[rows], target[rows], None if weight is None else weight[rows])
                before = self._folds[fold]
                self._folds[fold] = part if before is None else before + part
        self._seen += len(h)

    def solve(self, prior: Tensor, strength: float | None) -> tuple[Tensor, Tensor]:
        """Solve for the best map by all samples.

        Args:
            prior: See `NormalEquations.solve`.
            strength: See there; None takes the one whose maps by three quarters of the samples are best on the fourth.
                Samples in the order of their episodes make these quarters different episodes.

        Returns:
            tuple[Tensor, Tensor]: W and b.
        """
        folds = [fold for fold in self._folds if fold is not None]
        total = folds[0]
        for fold in folds[1:]:
            total = total + fold
        if strength is None:
            strength = _best_strength(folds, total, prior) if len(folds) > 1 else 1.0
        return total.solve(prior, strength)


def _best_strength(folds: list[NormalEquations], total: NormalEquations, prior: Tensor) -> float:
    losses = [0.0] * len(STRENGTHS)
    for fold in folds:
        others = total - fold
        for i, strength in enumerate(STRENGTHS):
            losses[i] += fold.loss(*others.solve(prior, strength))
    return STRENGTHS[losses.index(min(losses))]
