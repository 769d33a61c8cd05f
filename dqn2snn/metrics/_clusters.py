"""Sums by cluster, from which clustered confidence intervals are made.

Every metric of this package is a ratio of two sums over observations: a mean has the denominator 1, a
weighted mean its weights. Decisions within one episode resemble each other, so the spread of such a ratio
is taken between episodes, and for that the two sums of each episode are enough: memory grows with
episodes, not with decisions, and batches may come in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dqn2snn.errors import ArgumentError

Vector: TypeAlias = Tensor | Sequence[float] | npt.NDArray[Any]


@dataclass(frozen=True)
class ClusterSums:
    """Sums of a ratio's numerator and denominator, one entry per cluster, float64 on the CPU.

    Attributes:
        ids: [G] distinct cluster ids, or None where every observation is a cluster of its own.
        count: [G] observations in each cluster.
        numerator: [G] sum of the numerators.
        denominator: [G] sum of the denominators, each 0 or more.
        denominator_squared: [G] sum of the squared denominators, for Kish's effective sample size.
    """

    ids: Tensor | None
    count: Tensor
    numerator: Tensor
    denominator: Tensor
    denominator_squared: Tensor

    def __len__(self) -> int:
        return self.count.numel()

    @property
    def ratio(self) -> float:
        """Sum of the numerators over sum of the denominators.

        Raises:
            ArgumentError: If all denominators are zero.
        """
        total = self.denominator.sum().item()
        if total == 0.0:
            raise ArgumentError(
                "Expected at least one observation with a weight above 0. Found weight 0 everywhere, "
                "as when all actions of the DQN have equal Q-values. Pass other observations."
            )
        return float(self.numerator.sum().item() / total)

    @property
    def squared_error(self) -> float:
        """Sum over clusters of (numerator - ratio * denominator)^2, over the squared total denominator.

        This is the linearised variance of a ratio between clusters, before the factor G/(G - 1)
        (Cochran 1977, Sampling Techniques, section 6.4).
        """
        residual = self.numerator - self.ratio * self.denominator
        return float((residual.square().sum() / self.denominator.sum().square()).item())

    @property
    def effective_count(self) -> float:
        """Kish's effective sample size (sum w)^2 / (sum w^2); with equal weights, the observations."""
        return float((self.denominator.sum().square() / self.denominator_squared.sum()).item())


def cluster_sums(numerator: Tensor, denominator: Tensor, clusters: Vector | None = None) -> ClusterSums:
    """Sum a ratio's two parts by cluster.

    Args:
        numerator: [B] numerators.
        denominator: [B] denominators, 0 or more.
        clusters: [B] whole-number cluster ids; None makes each observation its own cluster.

    Returns:
        The sums, float64 on the CPU whatever the device of the arguments.

    Raises:
        ArgumentError: If there are no observations, or the ids do not fit them.

    Example:
        >>> sums = cluster_sums(torch.tensor([1.0, 0.0, 1.0]), torch.ones(3), [7, 7, 9])
        >>> sums.ids.tolist(), sums.numerator.tolist(), sums.denominator.tolist()
        ([7, 9], [1.0, 1.0], [2.0, 1.0])
    """
    numerator, denominator = (x.detach().cpu().double() for x in (numerator, denominator))
    if numerator.numel() == 0:
        raise ArgumentError("Expected at least one observation. Found none. Pass a non-empty batch.")
    columns = torch.stack([torch.ones_like(numerator), numerator, denominator, denominator.square()])
    return _grouped(None if clusters is None else _as_ids(clusters, numerator.numel()), columns)


def merge(parts: Sequence[ClusterSums]) -> ClusterSums:
    """Add up sums over disjoint sets of observations; a cluster may go on from one part to the next.

    Args:
        parts: At least one.

    Returns:
        The sums over all observations.

    Raises:
        ArgumentError: If some parts carry cluster ids and others do not.
    """
    ids = [part.ids for part in parts if part.ids is not None]
    if ids and len(ids) != len(parts):
        raise ArgumentError(
            "Expected episode ids with every batch or with none. Found some of each. "
            "Pass `episode_ids` always, or call reset() first."
        )
    columns = [torch.stack([p.count, p.numerator, p.denominator, p.denominator_squared]) for p in parts]
    return _grouped(torch.cat(ids) if ids else None, torch.cat(columns, dim=1))


def as_vector(values: Vector, name: str) -> Tensor:
    """Read numbers as a float64 vector on the CPU.

    Args:
        values: [N] tensor, array or sequence.
        name: Their name in errors.

    Returns:
        [N] float64 tensor.

    Raises:
        ArgumentError: If they are not a non-empty vector of finite numbers.
    """
    vector = _on_cpu(values).double()
    if vector.dim() != 1 or vector.numel() == 0:
        raise ArgumentError(
            f"Expected `{name}` to be a non-empty vector. Found shape {tuple(vector.shape)}. "
            "Pass one number per observation."
        )
    if not bool(torch.isfinite(vector).all()):
        raise ArgumentError(f"Expected finite `{name}`. Found NaN or infinity. Remove those entries.")
    return vector


def _on_cpu(values: Vector) -> Tensor:
    # By way of NumPy, a list of Python floats keeps its 64 bits and a read-only array gives no warning.
    return values.detach().cpu() if isinstance(values, Tensor) else torch.tensor(np.asarray(values))


def _as_ids(clusters: Vector, count: int) -> Tensor:
    ids = _on_cpu(clusters)
    if ids.shape != (count,) or ids.is_floating_point() or ids.is_complex():
        raise ArgumentError(
            f"Expected {count} whole-number cluster (episode) ids, one per observation. "
            f"Found shape {tuple(ids.shape)} of {ids.dtype}. Pass the episode's index with each observation."
        )
    return ids.long()


def _grouped(ids: Tensor | None, columns: Tensor) -> ClusterSums:
    if ids is not None:
        ids, place = torch.unique(ids, return_inverse=True)
        columns = columns.new_zeros(len(columns), ids.numel()).index_add_(1, place, columns)
    return ClusterSums(ids, *columns)
