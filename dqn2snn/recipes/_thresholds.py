"""Which activation of a channel is its largest level."""

from __future__ import annotations

import torch
from torch import Tensor

from dqn2snn._host import on_host
from dqn2snn.calibration import ActivationStats
from dqn2snn.graph import AffineLayer, LayerGraph, per_channel

__all__ = ["channel_scales"]

_DEAD = 1 / 64
_GRID_BITS = 9
_FIRST_BITS = 14
_FLOAT32_BITS = 24


@on_host()
def channel_scales(
    graph: LayerGraph, stats: ActivationStats, threshold: str | float, *, levels: int
) -> list[Tensor]:
    """Lambda of each channel of the hidden layers, `[C]`.

    A channel that is hardly ever active would have weights without bound. Its scale is at least 1/64 of the largest in
    its layer, and so large that its membrane, over all `levels`, fits float32 on a grid of 2^-9.

    Args:
        graph: The traced network.
        stats: Its calibration.
        threshold: "auto", "max", or a percentile of the activations, zeros included.
        levels: Spikes that tell a scale.

    Returns:
        list[Tensor]: Positive, float64.
    """
    found: list[Tensor] = []
    for i, layer in enumerate(graph.layers):
        scales = _chosen(stats, i, threshold)
        scales = scales.clamp(min=_DEAD * float(scales.max()))
        if i:
            reach = _reach(layer, found[-1])
            floor = reach * levels / 2 ** (_FLOAT32_BITS - _GRID_BITS - 1)
        else:
            floor = _by_channel(layer.bias.abs(), layer) * levels / 2 ** (_FLOAT32_BITS - _FIRST_BITS - 1)
        found.append(torch.maximum(scales, floor))
    return found


def _chosen(stats: ActivationStats, layer: int, threshold: str | float) -> Tensor:
    percentile = {"max": 100.0, "auto": 99.99}.get(str(threshold), threshold)
    return stats.channel_percentile(layer, float(percentile), of="activation")


def _reach(layer: AffineLayer, scales: Tensor) -> Tensor:
    """Largest magnitude of `W a + b` for activations up to their scales, nothing cancelling, `[C]`."""
    magnitude = layer.with_parameters(layer.weight.abs(), layer.bias.abs())
    return _by_channel(magnitude(_full(scales, layer)[None])[0], layer)


def _full(scales: Tensor, after: AffineLayer) -> Tensor:
    return per_channel(scales, after.in_shape).expand(after.in_shape)


def _by_channel(values: Tensor, layer: AffineLayer) -> Tensor:
    return (
        per_channel(values, layer.out_shape).expand(layer.out_shape).flatten(1).amax(1)
        if len(layer.out_shape) > 1
        else values.expand(layer.out_shape)
    )
