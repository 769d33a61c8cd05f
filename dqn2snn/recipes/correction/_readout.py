"""The refitted readout that decides best on observations to which it was not fitted."""

from __future__ import annotations

import torch
from torch import Tensor

from dqn2snn.recipes.correction._least_squares import STRENGTHS, NormalEquations

_FOLDS = 4


def best_readout(
    h: Tensor, q: Tensor, weight: Tensor, prior: tuple[Tensor, Tensor], strength: float | None
) -> tuple[Tensor, Tensor] | None:
    """Fit the map from h to Q-values, if a better one is found.

    Without a given strength, each is tried on every quarter of the samples after having been fitted to the others, and
    the one with which most decisions are right is taken; of equal ones the strongest, and the prior itself if nothing
    is better. The squared error would be the wrong judge: a few states with large errors decide it, but not the
    agreement.

    Args:
        h: `[N, F]`, in the order of the observations.
        q: Q-values of the DQN, `[N, A]`.
        weight: Weight of each sample in the fit, `[N]`.
        prior: W `[A, F]` and b `[A]` before.
        strength: See `NormalEquations.solve`; None to choose it.

    Returns:
        tuple[Tensor, Tensor] | None: W and b, float64; None where the prior is to stay.

    Example:
        >>> h = torch.rand(40, 3, dtype=torch.float64)
        >>> right, wrong = torch.eye(3, dtype=torch.float64), torch.eye(3, dtype=torch.float64).flip(0)
        >>> b = torch.zeros(3, dtype=torch.float64)
        >>> found, offset = best_readout(h, h @ right, torch.ones(40), (wrong, b), None)
        >>> bool((h @ found.T + offset).argmax(1).eq(h.argmax(1)).all())
        True
    """
    total = NormalEquations.of(h, q, weight)
    if strength is None:
        strength = _chosen(h, q, weight, prior, total)
        if strength is None:
            return None
    return total.solve(prior[0], strength)


def _chosen(
    h: Tensor, q: Tensor, weight: Tensor, prior: tuple[Tensor, Tensor], total: NormalEquations
) -> float | None:
    candidates = sorted(STRENGTHS, reverse=True)
    right = torch.zeros(1 + len(candidates), dtype=torch.float64)
    for rows in torch.arange(len(h)).tensor_split(_FOLDS):
        others = total - NormalEquations.of(h[rows], q[rows], weight[rows])
        if len(rows) in (0, len(h)):
            continue
        maps = [prior, *(others.solve(prior[0], strength) for strength in candidates)]
        wanted = q[rows].argmax(1)
        right += torch.tensor(
            [float(((h[rows].double() @ w.T + b).argmax(1) == wanted).sum()) for w, b in maps]
        )
    best = int(right.argmax())
    return candidates[best - 1] if best else None
