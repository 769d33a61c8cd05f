"""Weights as whole numbers times a power of two.

A weight of b bits is a whole number q with |q| <= 2^(b - 1) - 1, and stands for q 2^-e. The exponent e belongs to a
channel or to a whole layer. Scaled by powers of two, weights need no multiplier, and stay on the plan's grid.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Per = Literal["channel", "layer"]
"""Weights that share an exponent: those of an output channel, or all of a layer."""

_FINER = 3
"""Exponents that are tried beyond the one with which no weight of the smallest channel is cut off."""

_DAMPING = 0.01
"""Added to the diagonal of the moments, as a share of its mean (Frantar et al. 2023)."""


def exponents(weight: Tensor, importance: Tensor, bits: int, per: Per, most: int) -> Tensor:
    """The exponents with the smallest squared rounding error, the cutting off of large weights included.

    Args:
        weight: `[R, F]`, one row for each channel.
        importance: `[R]`, how much the squared error of a channel counts where channels share an exponent.
        bits: Bits of a weight, its sign included.
        per: "channel" or "layer".
        most: The largest exponent that is allowed.

    Returns:
        Tensor: `[R, 1]`, whole numbers in float64.

    Example:
        >>> exponents(torch.tensor([[0.5, -1.0], [0.1, 0.2]]).double(), torch.ones(2), 4, "channel", 14)
        tensor([[2.],
                [5.]], dtype=torch.float64)
    """
    largest = weight.abs().amax(1, keepdim=True).clamp(min=2.0**-100)
    uncut = torch.floor(torch.log2(_limit(bits) / largest)).clamp(max=most)
    finest = min(int(uncut.max()) + _FINER, most)
    tried = torch.arange(int(uncut.min()), finest + 1, dtype=torch.float64)
    errors = torch.stack([(nearest(weight, each, bits) - weight).square().sum(1) for each in tried])
    if per == "layer":
        errors = (errors @ importance.to(errors))[:, None].expand_as(errors)
    return tried[errors.argmin(0)][:, None]


def nearest(weight: Tensor, exponent: Tensor, bits: int) -> Tensor:
    """The nearest weights of so many bits, ties to even.

    Example:
        >>> nearest(torch.tensor([0.3, -9.0]), torch.tensor(2.0), 4)
        tensor([ 0.2500, -1.7500])
    """
    limit = _limit(bits)
    return torch.round(weight * 2.0**exponent).clamp(-limit, limit) * 2.0**-exponent


def compensated(weight: Tensor, square: Tensor, cross: Tensor, exponent: Tensor, bits: int) -> Tensor:
    """Round weights so that their outputs stay, given how their inputs vary.

        minimise  E |W (h - E h) - Q (h_q - E h_q)|^2

    First without rounding, in closed form; then column by column, each weight is rounded and its error is made up for
    by those that are still to come, as far as the inputs of both go together: GPTQ (Frantar, Ashkboos, Hoefler,
    Alistarh, ICLR 2023, arXiv 2210.17323), with the columns that vary most first.

    Args:
        weight: W, `[R, F]` float64.
        square: cov(h_q, h_q), `[F, F]` float64, of the inputs as they are now.
        cross: cov(h, h_q), `[F, F]` float64, of the inputs as they were with those.
        exponent: `[R, 1]`.
        bits: Bits of a weight.

    Returns:
        Tensor: Q, `[R, F]`. In rows where rounding W to the nearest does better, it is that.

    Example:
        >>> weight, together = torch.tensor([[0.4, 0.4]], dtype=torch.float64), torch.ones(2, 2).double()
        >>> compensated(weight, together, together, torch.zeros(1, 1), 4).sum()  # rounded alone, both would be 0
        tensor(1., dtype=torch.float64)
    """
    ridge = _damping(square)
    factor = torch.linalg.cholesky(square + ridge)
    best = torch.cholesky_solve((weight @ (cross + ridge)).T, factor).T
    order = square.diagonal().argsort(descending=True, stable=True)
    done = torch.empty_like(weight)
    done[:, order] = _column_by_column(best[:, order], (square + ridge)[order][:, order], exponent, bits)
    plain = nearest(weight, exponent, bits)
    better = _error(done, best, square + ridge) < _error(plain, best, square + ridge)
    return torch.where(better[:, None], done, plain)


def _column_by_column(weight: Tensor, moments: Tensor, exponent: Tensor, bits: int) -> Tensor:
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(moments))
    factor = torch.linalg.cholesky(inverse, upper=True)
    left, done = weight.clone(), torch.empty_like(weight)
    for i in range(left.shape[1]):
        rounded = nearest(left[:, i : i + 1], exponent, bits)
        done[:, i : i + 1] = rounded
        left[:, i:] -= (left[:, i : i + 1] - rounded) / factor[i, i] * factor[i, i:]
    return done


def _error(made: Tensor, best: Tensor, moments: Tensor) -> Tensor:
    off = made - best
    return ((off @ moments) * off).sum(1)


def _damping(moments: Tensor) -> Tensor:
    share = max(_DAMPING * float(moments.diagonal().mean()), 1e-12)
    return share * torch.eye(len(moments), dtype=moments.dtype)


def _limit(bits: int) -> float:
    return 2.0 ** (bits - 1) - 1
