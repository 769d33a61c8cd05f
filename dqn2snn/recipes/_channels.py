"""Scales of single channels, folded into the weights on both sides of a layer.

A channel that sends a / lambda_c spikes for its activation a has weights W[c] / lambda_c that lead to it and
W[:, c] lambda_c that leave it. Between the neurons and the weights there may be paddings, poolings and reshapes,
through which a scale is carried; where these mix channels of different scale, the whole layer has to share one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from dqn2snn.plan.graph import AffineLayer, LayerGraph, per_channel
from dqn2snn.plan.ops import Conv, Dense, LinearOp, Pad, Reshape, SumPool, weighted


def shared_where_mixed(graph: LayerGraph, scales: Sequence[Tensor]) -> list[Tensor]:
    """Give every neuron a scale, equal for neurons that share weights or are mixed by the next layer.

    Args:
        graph: The traced network.
        scales: lambda of the hidden layers, `[]`, `[C]` or one per neuron.

    Returns:
        list[Tensor]: `[*out_shape]` each; of neurons that must share a scale, the largest.
    """
    found = []
    for layer, after, scale in zip(graph.layers, graph.all_layers[1:], scales, strict=True):
        full = per_channel(scale.double(), layer.out_shape).expand(layer.out_shape)
        rows = rows_of(layer)
        if rows is not None:
            largest = torch.full((len(layer.weight),), -torch.inf, dtype=torch.float64)
            largest.scatter_reduce_(0, rows.flatten(), full.flatten(), "amax")
            full = largest[rows]
        if rows is None or _input_scale(after, full) is None:
            full = full.amax().expand(layer.out_shape)
        found.append(full.clone())
    return found


def scaled_affine(layer: AffineLayer, incoming: Tensor | None, outgoing: Tensor) -> AffineLayer:
    """Scale a layer: `W diag(incoming) / outgoing` and `b / outgoing`.

    Args:
        layer: In the network's units.
        incoming: Scale of each input `[*in_shape]`; None for one.
        outgoing: Scale of each output `[*out_shape]`, or `[]`.

    Returns:
        AffineLayer: In units of the scales.
    """
    weight = layer.weight
    if incoming is not None:
        scale = _input_scale(layer, incoming)
        assert scale is not None, "shared_where_mixed has seen to that"
        weight = weight * scale
    if outgoing.ndim == 0:
        return layer.with_parameters(weight / outgoing, layer.bias / outgoing)
    rows = rows_of(layer)
    by_row = torch.ones(len(weight), dtype=torch.float64)
    by_row = (
        outgoing.amax().expand(len(weight))
        if rows is None
        else by_row.scatter(0, rows.flatten(), outgoing.flatten())
    )
    weight = weight / by_row.reshape(-1, *(1 for _ in weight.shape[1:]))
    return layer.with_parameters(weight, compact(per_channel(layer.bias, layer.out_shape) / outgoing))


def compact(values: Tensor) -> Tensor:
    """Reduce values per neuron `[*shape]` to values per channel `[C]` where these are equal."""
    first = values.flatten(1)[:, :1] if values.ndim > 1 else values
    return first.flatten() if values.ndim > 1 and bool((values.flatten(1) == first).all()) else values


def rows_of(layer: AffineLayer) -> Tensor | None:
    """Find the row of the weights that leads to each neuron, `[*out_shape]`; None where several do."""
    position = layer.ops.index(weighted(layer.ops))
    x = torch.zeros(1, *layer.in_shape, dtype=torch.float64)
    for op in layer.ops[: position + 1]:
        x = op(x)
    rows = (
        torch.arange(x.shape[1], dtype=torch.float64).reshape(-1, *(1 for _ in x.shape[2:])).expand_as(x[0])
    )
    spread = _carried(layer.ops[position + 1 :], rows)
    if spread is None:
        return None
    return torch.where(torch.isfinite(spread), spread, 0.0).long()


def _input_scale(layer: AffineLayer, scale: Tensor) -> Tensor | None:
    """Shape scales of inputs `[*in_shape]` to multiply the weights; None where a weight serves several scales."""
    op = weighted(layer.ops)
    arriving = _carried(layer.ops[: layer.ops.index(op)], scale)
    if arriving is None:
        return None
    if isinstance(op, Dense):
        return torch.where(torch.isfinite(arriving), arriving, 1.0)
    finite = torch.isfinite(arriving)
    low = torch.where(finite, arriving, torch.inf).flatten(1).amin(1)
    high = torch.where(finite, arriving, -torch.inf).flatten(1).amax(1)
    if not torch.equal(low, high):
        return None
    by_group = low.reshape(op.groups, -1).repeat_interleave(len(op.weight) // op.groups, dim=0)
    return by_group[..., None, None]


def _carried(ops: tuple[LinearOp, ...], values: Tensor) -> Tensor | None:
    """Carry values of neurons through operations without weights; infinite for padding, None where values mix."""
    low = high = values[None]
    for op in ops:
        if isinstance(op, Reshape):
            low, high = op(low), op(high)
        elif isinstance(op, Pad):
            low, high = F.pad(low, op.widths, value=torch.inf), F.pad(high, op.widths, value=-torch.inf)
        elif isinstance(op, SumPool):
            high = F.max_pool2d(high, op.kernel, op.stride, op.padding)
            low = -F.max_pool2d(-low, op.kernel, op.stride, op.padding)
        else:
            assert not isinstance(op, (Conv, Dense))
    return low[0] if bool(((low == high) | (low > high)).all()) else None
