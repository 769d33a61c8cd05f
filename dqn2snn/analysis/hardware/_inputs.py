"""Inputs of the weights of a layer: how they vary, and how much they matter."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from dqn2snn.plan.graph import AffineLayer
from dqn2snn.plan.ops import Conv, run, weighted

_BATCH = 64

_ROWS = 2**16
"""Samples for the moments: more positions of a convolution add little."""


def as_rows(layer: AffineLayer) -> Tensor:
    """The weights with a row for each output channel, `[C', F]`, as a copy."""
    return layer.weight.double().reshape(len(layer.weight), -1).clone()


def blocks(layer: AffineLayer) -> Iterator[slice]:
    """The rows that read the same inputs: those of each group of a convolution, or all."""
    op = weighted(layer.ops)
    groups = op.groups if isinstance(op, Conv) else 1
    size = len(op.weight) // groups
    for group in range(groups):
        yield slice(group * size, (group + 1) * size)


def importance(after: AffineLayer | None, channels: int) -> Tensor:
    """How much the channels of a layer matter to the next: the sum of squares of the weights that each is read with.

    Args:
        after: The next layer; None behind the output, whose channels matter alike.
        channels: Number of channels C.

    Returns:
        Tensor: `[C]` float64.

    Example:
        >>> from dqn2snn.plan.ops import Dense
        >>> after = AffineLayer("q", (Dense(torch.tensor([[3.0, 0.0], [4.0, 1.0]])),), torch.zeros(2), (2,), (2,))
        >>> importance(after, 2)
        tensor([25.,  1.], dtype=torch.float64)
    """
    if after is None:
        return torch.ones(channels, dtype=torch.float64)
    squared = after.with_parameters(after.weight.double().square(), after.bias)
    with torch.enable_grad():
        x = torch.zeros(1, *after.in_shape, dtype=torch.float64, requires_grad=True)
        (reached,) = torch.autograd.grad(run(squared.ops, x).sum(), x)
    return reached[0].reshape(channels, -1).sum(1)


def moments(layer: AffineLayer, before: Tensor, arriving: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Covariances of the inputs of each weight, with each other and with the inputs that they replace.

    Positions of a convolution are samples, evenly chosen ones where there are very many. Means are subtracted: they
    contribute a bias.

    Args:
        layer: The map.
        before: h, `[B, *in_shape]`, the inputs as they were.
        arriving: h_q, `[B, *in_shape]`, the inputs as they are now.

    Returns:
        list[tuple[Tensor, Tensor]]: cov(h_q, h_q) and cov(h, h_q), `[F, F]` float64, for each of `blocks`.

    Example:
        >>> from dqn2snn.plan.ops import Dense
        >>> layer = AffineLayer("fc", (Dense(torch.eye(2)),), torch.zeros(2), (2,), (2,))
        >>> h = torch.tensor([[1.0, 0.0], [1.0, 2.0]])
        >>> moments(layer, 2 * h, h)[0][1]
        tensor([[0., 0.],
                [0., 2.]], dtype=torch.float64)
    """
    ahead = layer.ops[: layer.ops.index(weighted(layer.ops))]
    sums: list[list[Tensor]] = []
    for pair in zip(before.double().split(_BATCH), arriving.double().split(_BATCH), strict=True):
        then, now = (_samples(layer, run(ahead, batch), len(arriving)) for batch in pair)
        parts = [_sums(*group) for group in zip(then, now, strict=True)]
        sums = (
            [[a + b for a, b in zip(*both, strict=True)] for both in zip(sums, parts, strict=True)]
            if sums
            else parts
        )
    return [_covariances(*group) for group in sums]


def _sums(then: Tensor, now: Tensor) -> list[Tensor]:
    count = torch.tensor(float(len(now)), dtype=torch.float64)
    return [count, then.sum(0), now.sum(0), now.T @ now, then.T @ now]


def _covariances(
    count: Tensor, then: Tensor, now: Tensor, square: Tensor, cross: Tensor
) -> tuple[Tensor, Tensor]:
    mean_then, mean_now = then / count, now / count
    return square / count - torch.outer(mean_now, mean_now), cross / count - torch.outer(mean_then, mean_now)


def _samples(layer: AffineLayer, x: Tensor, observations: int) -> list[Tensor]:
    """Inputs that each row is multiplied with, `[N, F]` for each of `blocks`."""
    op = weighted(layer.ops)
    if not isinstance(op, Conv):
        return [x]
    patches = F.unfold(x, tuple(op.weight.shape[2:]), op.dilation, op.padding, op.stride)
    step = _step(patches.shape[2], observations)
    parts = patches.chunk(op.groups, dim=1)
    return [part.transpose(1, 2).reshape(-1, part.shape[1])[::step] for part in parts]


def _step(positions: int, observations: int) -> int:
    """Every how many-th sample is taken: without a common factor, so that no position is left out."""
    step = max(1, positions * observations // _ROWS)
    while math.gcd(step, positions) > 1:
        step += 1
    return step
