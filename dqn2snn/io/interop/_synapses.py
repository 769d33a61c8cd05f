"""The synapses of a layer as NIR nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dqn2snn.errors import PlanError
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.plan.ops import Conv, Dense, LinearOp, Pad, SumPool, out_shape


def synapse_nodes(nir: Any, layer: SpikingLayer, plan: SpikingPlan) -> Iterator[tuple[str, Any]]:
    """The nodes before the neurons of a layer, with what they are called."""
    shape, padding = layer.affine.in_shape, (0, 0)
    ops = layer.affine.ops
    for place, op in enumerate(ops):
        if isinstance(op, Pad):
            padding = _symmetric(op, ops[place + 1 :], layer)
        elif isinstance(op, Conv):
            _check_last(place, layer)
            yield "conv", _conv(nir, op, layer, plan, shape, padding)
        elif isinstance(op, Dense):
            _check_last(place, layer)
            yield "affine", nir.Affine(array_of(op.weight, plan), array_of(layer.affine.bias, plan))
        elif isinstance(op, SumPool):
            pair = (np.array(size) for size in (op.kernel, op.stride, op.padding))
            yield f"pool{place}", nir.SumPool2d(*pair)
        else:
            if len(op.shape) != 1:
                raise _no_node(layer, f"a reshape to {op.shape}")
            yield "flatten", nir.Flatten({"input": np.array(shape)}, start_dim=0, end_dim=-1)
        if not isinstance(op, (Conv, Dense)):
            shape = out_shape((op,), shape)


def _check_last(place: int, layer: SpikingLayer) -> None:
    """Behind the weights comes the bias, which cannot move through what would come between."""
    if place != len(layer.affine.ops) - 1:
        raise _no_node(layer, "operations between the weights and the neurons")


def _symmetric(pad: Pad, behind: tuple[LinearOp, ...], layer: SpikingLayer) -> tuple[int, int]:
    """A pad as the padding of the convolution behind it."""
    left, right, top, bottom = pad.widths
    if (left, top) != (right, bottom) or min(left, top) < 0 or not behind or not isinstance(behind[0], Conv):
        raise _no_node(layer, f"padding by {pad.widths}")
    return top, left


def _conv(
    nir: Any,
    op: Conv,
    layer: SpikingLayer,
    plan: SpikingPlan,
    shape: tuple[int, ...],
    padding: tuple[int, int],
) -> Any:
    if layer.affine.bias.ndim != 1:
        raise _no_node(layer, "a bias for each position")
    both = (op.padding[0] + padding[0], op.padding[1] + padding[1])
    if padding != (0, 0):
        shape = (shape[0], shape[1] - 2 * padding[0], shape[2] - 2 * padding[1])
    if op.weight.shape[2] != op.weight.shape[3]:
        raise _no_node(layer, "a kernel that is not square, of which nir infers a wrong shape")
    weight, bias = (array_of(values, plan) for values in (_ungrouped(op), layer.affine.bias))
    return nir.Conv2d(shape[1:], weight, op.stride, both, op.dilation, 1, bias)


def _ungrouped(op: Conv) -> Tensor:
    """The weights of a convolution in one group, `[C', C, kh, kw]`: nir infers wrong shapes of several."""
    outputs, inputs = op.weight.shape[0] // op.groups, op.weight.shape[1]
    whole = op.weight.new_zeros(op.weight.shape[0], inputs * op.groups, *op.weight.shape[2:])
    for group in range(op.groups):
        rows = slice(group * outputs, (group + 1) * outputs)
        whole[rows, group * inputs : (group + 1) * inputs] = op.weight[rows]
    return whole


def array_of(values: Tensor, plan: SpikingPlan) -> NDArray[np.floating[Any]]:
    dtype = torch.float32 if plan.on_grid else torch.float64
    return values.detach().to(dtype).contiguous().numpy()


def _no_node(layer: SpikingLayer, found: str) -> PlanError:
    return PlanError(
        f"Expected layer {layer.name!r} to be what NIR has nodes for: convolutions, matrices, sum pooling, flattening. "
        f"Found {found}. Change the network, or export its layers one by one."
    )
