"""Graphs of others: their nodes, read as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dqn2snn.errors import CheckpointError
from dqn2snn.io.interop._chain import Link, Neurons, refusal
from dqn2snn.plan import Reset, SpikingLayer, SpikingPlan, check_num_steps
from dqn2snn.plan.graph import AffineLayer, per_channel
from dqn2snn.plan.ops import Conv, Dense, LinearOp, Reshape, Shape, SumPool, out_shape


def foreign_plan(nir: Any, links: Sequence[Link], num_steps: int, reset: Reset | None) -> SpikingPlan:
    """The plan of a chain of layers, in raw numbers.

    Args:
        nir: The package.
        links: The layers; the last one is the output.
        num_steps: T.
        reset: Reset of all neurons; None for that of each node.

    Returns:
        SpikingPlan: The plan; its Q-values are rates.

    Raises:
        CheckpointError: If sizes do not fit together, or numbers are not finite.
        UnsupportedModuleError: If a node is none that a plan can hold.
    """
    if len(links) < 2:
        raise refusal("no hidden layer")
    layers: list[SpikingLayer] = []
    shape: Shape | None = None
    for link in links:
        layers.append(_layer(nir, link, shape, reset))
        shape = layers[-1].shape
    return SpikingPlan(
        layers=tuple(layers[:-1]),
        output=replace(layers[-1], reset="subtract"),
        readout_scale=1.0,
        num_steps=check_num_steps(num_steps),
        recipe="nir",
        reference="Pedersen et al., Nature Communications 15, 8122 (2024)",
    )


def _layer(nir: Any, link: Link, shape: Shape | None, reset: Reset | None) -> SpikingLayer:
    ops, weighted, bias, factor = _ops(nir, link)
    before = shape or _shape_of(link.synapses[0][1])
    ops = tuple(replace(op, weight=op.weight / factor) if isinstance(op, (Conv, Dense)) else op for op in ops)
    try:
        after = out_shape(ops, before)
    except RuntimeError as error:
        raise CheckpointError(
            f"Expected node {weighted!r} to fit behind {before}. Found: {error}. Check the graph's shapes."
        ) from None
    affine = AffineLayer(weighted, ops, bias, before, after)
    if not all(bool(x.isfinite().all()) for x in (affine.weight, bias)):
        raise CheckpointError(
            f"Expected finite numbers in node {weighted!r}. Found NaN or infinity. Check it."
        )
    one = torch.ones((), dtype=torch.float64)
    return SpikingLayer(affine, one, 0 * one) if link.neurons is None else _with(link.neurons, affine, reset)


def _with(neurons: Neurons, affine: AffineLayer, reset: Reset | None) -> SpikingLayer:
    r, threshold, fires_at = (
        _of_channels(x, affine.out_shape) for x in (neurons.r, neurons.threshold, neurons.fires_at)
    )
    if not bool((threshold > 0).all()):
        raise CheckpointError(
            f"Expected thresholds above 0 behind node {affine.name!r}. Found {float(threshold.min()):g}. Check them."
        )
    weight = affine.weight * r.reshape(-1, *(1 for _ in affine.weight.shape[1:]))
    scaled = affine.with_parameters(weight, affine.bias * r)
    chosen: Any = reset or neurons.metadata.get("reset", neurons.reset)
    chosen = chosen.decode() if isinstance(chosen, bytes) else chosen
    if chosen not in ("subtract", "zero"):
        raise refusal(f"neurons whose reset is {chosen!r}")
    return SpikingLayer(scaled, threshold, threshold - fires_at, chosen)


def _of_channels(values: Any, shape: Shape) -> Tensor:
    """One number a channel, or for all neurons."""
    tensor = _tensor(values)
    if not bool(tensor.isfinite().all()):
        raise CheckpointError("Expected finite numbers in neurons. Found NaN or infinity. Check the graph.")
    if tuple(tensor.shape) not in (shape, ()):
        raise CheckpointError(
            f"Expected neurons of shape {shape}. Found {tuple(tensor.shape)}. Check the graph's shapes."
        )
    first = tensor.reshape(shape[0], -1)[:, 0] if tensor.ndim else tensor.expand(shape[0])
    if not torch.equal(per_channel(first, shape).expand(shape), tensor.expand(shape)):
        raise refusal("thresholds that differ within a channel")
    return first.clone()


def _ops(nir: Any, link: Link) -> tuple[tuple[LinearOp, ...], str, Tensor, float]:
    """Operations, the name and the bias of the one with weights, and what average pooling divides by."""
    ops: list[LinearOp] = []
    name, bias, factor = "", None, 1.0
    for called, node in link.synapses:
        if bias is not None:
            raise refusal(f"node {called!r} between weights and neurons")
        if isinstance(node, (nir.Conv2d, nir.Affine, nir.Linear)):
            name, weight = called, _tensor(node.weight)
            bias = _tensor(node.bias) if hasattr(node, "bias") else torch.zeros(len(weight)).double()
            ops.append(_conv(node, weight) if isinstance(node, nir.Conv2d) else Dense(weight))
        elif isinstance(node, (nir.SumPool2d, nir.AvgPool2d)):
            kernel, stride, padding = (
                _pair(getattr(node, each)) for each in ("kernel_size", "stride", "padding")
            )
            ops.append(SumPool(kernel, stride, padding))
            factor *= kernel[0] * kernel[1] if isinstance(node, nir.AvgPool2d) else 1
        else:
            ops.append(Reshape((int(np.prod(node.input_type["input"])),)))
    if bias is None:
        raise refusal("neurons without weights before them")
    return tuple(ops), name, bias, factor


def _conv(node: Any, weight: Tensor) -> Conv:
    padding = node.padding
    if isinstance(padding, (str, bytes)):
        raise refusal(f"a convolution with padding {padding!r}, not in numbers")
    return Conv(weight, _pair(node.stride), _pair(padding), _pair(node.dilation), int(node.groups))


def _shape_of(node: Any) -> Shape:
    if node.input_type is None or node.input_type.get("input") is None:
        raise refusal("a first node without the shape of its input")
    return tuple(int(size) for size in np.atleast_1d(node.input_type["input"]))


def _pair(values: Any) -> tuple[int, int]:
    first, *rest = np.atleast_1d(values).tolist()
    return int(first), int(rest[0] if rest else first)


def _tensor(values: Any) -> Tensor:
    return torch.from_numpy(np.array(values, dtype=np.float64))
