"""Thresholds: the activation of each channel that is its largest level."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from dqn2snn._utils.host import on_host
from dqn2snn.errors import ArgumentError
from dqn2snn.plan.graph import AffineLayer, LayerGraph, per_channel
from dqn2snn.tracing.calibration import ActivationStats, LayerStats, check_percentile

_CANDIDATES = 95
_MOST = 1 << 18
"""Most activations of a layer on which candidates are compared."""

_DEAD = 1 / 64
_GRID_BITS = 9
_FIRST_BITS = 14
_FLOAT32_BITS = 24


@on_host()
def channel_scales(
    graph: LayerGraph,
    stats: ActivationStats,
    threshold: str | float,
    *,
    levels: int,
    baselines: Sequence[Tensor] | None = None,
) -> list[Tensor]:
    """Choose the activation of each hidden channel that is its largest level, `[C]`.

    A channel that is hardly ever active would have weights without bound. Its scale is at least 1/64 of the largest in
    its layer, and so large, but not larger than that, that its membrane fits float32 on a grid of 2^-9 thresholds.

    Args:
        graph: The network, baselines folded.
        stats: Calibration of the network as it was.
        threshold: "mse" or "auto", "max", or a percentile of the activations, zeros included.
        levels: Spikes that stand for a whole scale.
        baselines: m of each hidden layer, `[C]`; zero by default.

    Returns:
        list[Tensor]: Positive scales, float64.
    """
    found: list[Tensor] = []
    for i, (layer, seen) in enumerate(zip(graph.layers, stats.layers, strict=False)):
        m = torch.zeros_like(seen.maximum) if baselines is None else baselines[i]
        scale = _chosen(stats, i, seen, threshold, m, levels)
        largest = float(scale.max())
        floor = _floor(layer, found[-1] if i else None, levels).clamp(_DEAD * largest, largest)
        found.append(torch.maximum(scale, floor))
    return found


def check_threshold(threshold: str | float) -> str | float:
    """Check a rule for thresholds, and return it.

    Raises:
        ArgumentError: If it is neither a name nor a percentile.
    """
    if isinstance(threshold, str):
        if threshold not in ("auto", "mse", "max"):
            raise ArgumentError(
                f'Expected threshold="auto", "mse", "max", or a percentile. Found {threshold!r}. Use "auto".'
            )
        return threshold
    return check_percentile(threshold)


def best_scale(values: Tensor, levels: int) -> Tensor:
    """Find the scale of each row that makes the error of rounding to levels least (Li et al. 2021, arXiv 2106.06984).

        sum (a - clip(floor(a levels / lambda + 1/2), 0, levels) lambda / levels)^2

    is compared for 95 scales from the largest activation down to 6 % of it.

    Args:
        values: `[C, M]`, pre-activations or activations.
        levels: n.

    Returns:
        Tensor: `[C]` float64; zero where nothing is positive.

    Example:
        >>> best_scale(torch.tensor([[0.1, 0.2, 0.3, 0.4]]), 4)
        tensor([0.4000], dtype=torch.float64)
    """
    a = _positive(values)
    largest = a.amax(1)
    best, found = torch.full_like(largest, math.inf), largest.clone()
    for i in range(_CANDIDATES):
        scale = largest * (1 - 0.01 * i)
        step = (scale / levels).clamp(min=1e-30)[:, None]
        error = (a / step).add_(0.5).floor_().clamp_(0, levels).mul_(step).sub_(a).square_().sum(1)
        better = error < best
        best, found = torch.where(better, error, best), torch.where(better, scale, found)
    return found.double()


def _positive(values: Tensor) -> Tensor:
    """The positive values of each row, the largest first, zeros behind them, evenly thinned where there are many."""
    a = values.float().clamp(min=0)
    longest = max(1, int((a > 0).sum(1).max()))
    a = a.sort(1, descending=True).values[:, :longest]
    return a[:, :: max(1, math.ceil(a.numel() / _MOST))]


def _chosen(
    stats: ActivationStats, index: int, seen: LayerStats, threshold: str | float, m: Tensor, levels: int
) -> Tensor:
    if threshold in ("auto", "mse"):
        return best_scale(seen.sample - m.float()[:, None], levels)
    percentile = 100.0 if threshold == "max" else float(threshold)
    return stats.channel_percentile(index, percentile, of="activation") - m


def _floor(layer: AffineLayer, before: Tensor | None, levels: int) -> Tensor:
    """The smallest scale of each channel for which there is a grid, `[C]`."""
    if before is None:
        most = per_channel(layer.bias.abs(), layer.out_shape).expand(layer.out_shape)
        return _largest(most) * levels * 2.0 ** -(_FLOAT32_BITS - _FIRST_BITS - 1)
    magnitude = layer.with_parameters(layer.weight.abs(), layer.bias.abs())
    arriving = per_channel(before, layer.in_shape).expand(layer.in_shape)
    return _largest(magnitude(arriving[None])[0]) * levels * 2.0 ** -(_FLOAT32_BITS - _GRID_BITS - 1)


def _largest(values: Tensor) -> Tensor:
    return torch.amax(values.reshape(len(values), -1), dim=1)
