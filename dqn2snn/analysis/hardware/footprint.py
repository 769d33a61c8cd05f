"""Needs of a plan: neurons, synapses, weights and bits."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from dqn2snn._utils.host import on_host
from dqn2snn._utils.table import format_table
from dqn2snn.analysis.hardware._inputs import as_rows
from dqn2snn.plan import PlanOrNetwork, SpikingLayer, SpikingPlan, plan_of
from dqn2snn.plan.ops import Conv, run, weighted

__all__ = ["footprint"]


@dataclass(frozen=True)
class LayerFootprint:
    """Needs of one layer.

    Attributes:
        name: Name of the layer in the user's network.
        neurons: Number of neurons.
        fan_in: Most synapses that one neuron has.
        synapses: Synapses of all neurons.
        weights: Different weights; a convolution uses each at every position.
        kernel: Output channels and the positions of a kernel, where the layer is a convolution.
        weight_bits: Bits of a weight, its sign included, with a power-of-two scale for each output channel; None off
            the grid.
        threshold_bits: Bits of a threshold, in steps of the grid; None off the grid.
        bias_bits: Bits of a bias, its sign included, in steps of the grid; None off the grid.
        membrane_bits: Bits of a membrane, its sign included, in steps of the grid, by the proof of
            `dqn2snn.plan.grid`, whatever spikes arrive; None off the grid.
    """

    name: str
    neurons: int
    fan_in: int
    synapses: int
    weights: int
    kernel: tuple[int, int] | None
    weight_bits: int | None
    threshold_bits: int | None
    bias_bits: int | None
    membrane_bits: int | None


@dataclass(frozen=True)
class Footprint:
    """Needs of a plan.

    Attributes:
        layers: The hidden layers and the output.
    """

    layers: tuple[LayerFootprint, ...]

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return sum(layer.neurons for layer in self.layers)

    @property
    def synapses(self) -> int:
        """Number of synapses."""
        return sum(layer.synapses for layer in self.layers)

    @property
    def weight_bytes(self) -> float | None:
        """Memory for the different weights, at the bits that each layer needs; None off the grid."""
        bits = [layer.weight_bits for layer in self.layers]
        if None in bits:
            return None
        return sum(layer.weights * (layer.weight_bits or 0) for layer in self.layers) / 8

    def summary(self) -> str:
        """A table of the layers.

        Example:
            >>> from torch import nn
            >>> import dqn2snn
            >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
            >>> plan = dqn2snn.convert(net, torch.rand(64, 4), num_steps=16).plan
            >>> print(footprint(plan).summary().splitlines()[0].split()[:3])
            ['layer', 'neurons', 'fan-in']
        """
        columns = (
            "layer",
            "neurons",
            "fan-in",
            "synapses",
            "weights",
            "bits",
            "threshold",
            "bias",
            "membrane",
        )
        return format_table(columns, [_cells(layer) for layer in self.layers])


@on_host()
def footprint(plan: PlanOrNetwork) -> Footprint:
    """Count what a plan needs of a chip.

    Args:
        plan: A plan of any recipe, or its network.

    Returns:
        Footprint: Layer by layer.

    Example:
        >>> from torch import nn
        >>> import dqn2snn
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> from dqn2snn.analysis.hardware import quantize
        >>> plan = quantize(dqn2snn.convert(net, torch.rand(64, 4), num_steps=16).plan, bits=4)
        >>> needs = footprint(plan)
        >>> needs.neurons, needs.synapses, needs.layers[0].weight_bits, needs.weight_bytes
        (10, 48, 4, 24.0)
    """
    plan = plan_of(plan)
    before = (None, *plan.layers)
    pairs = zip(plan.all_layers, before, strict=True)
    return Footprint(tuple(_layer(plan, layer, sender) for layer, sender in pairs))


def _layer(plan: SpikingPlan, layer: SpikingLayer, before: SpikingLayer | None) -> LayerFootprint:
    arriving = _synapses_in(layer)
    op, bits = weighted(layer.affine.ops), layer.fraction_bits
    size = op.weight.shape[2] * op.weight.shape[3] if isinstance(op, Conv) else 0
    start = float((layer.v_init.abs().max() + 2 * layer.threshold.max()) * layer.max_spikes)
    reach = start if before is None else plan.coding.largest_membrane(layer, before, plan.num_steps)
    return LayerFootprint(
        name=layer.name,
        neurons=layer.affine.neurons,
        fan_in=int(arriving.max()),
        synapses=int(arriving.sum()),
        weights=op.weight.numel(),
        kernel=(len(op.weight), size) if size else None,
        weight_bits=None if bits is None else _weight_bits(layer),
        threshold_bits=None if bits is None else _bits(float(layer.threshold.max()), bits),
        bias_bits=None if bits is None else _bits(float(layer.affine.bias.abs().max()), bits) + 1,
        membrane_bits=None if bits is None else _bits(reach, bits) + 1,
    )


def _synapses_in(layer: SpikingLayer) -> Tensor:
    """Synapses of each neuron, in the layer's shape."""
    affine = layer.affine
    ones = affine.with_parameters(torch.ones_like(affine.weight), torch.zeros_like(affine.bias))
    return run(ones.ops, torch.ones(1, *affine.in_shape, dtype=torch.float64))[0]


def _weight_bits(layer: SpikingLayer) -> int:
    """Bits of the widest weight, once each channel has been divided by the largest power of two that it can be."""
    steps = (as_rows(layer.affine) * 2.0 ** (layer.weight_bits or 0)).round().long()
    common = torch.zeros(len(steps), dtype=torch.long)
    for row in steps.unbind(1):
        common = common.bitwise_or(row.abs())
    # The lowest bit that any weight of the channel has.
    shared = (common & -common).clamp(min=1)
    largest = int((steps.abs().amax(1) // shared).max())
    return _length(largest) + 1


def _bits(value: float, fraction_bits: int) -> int:
    return _length(math.ceil(value * 2**fraction_bits))


def _length(number: int) -> int:
    return int(number).bit_length()


def _cells(layer: LayerFootprint) -> list[str]:
    bits = (layer.weight_bits, layer.threshold_bits, layer.bias_bits, layer.membrane_bits)
    return [
        layer.name,
        f"{layer.neurons:,}",
        f"{layer.fan_in:,}",
        f"{layer.synapses:,}",
        f"{layer.weights:,}",
        *("float" if each is None else str(each) for each in bits),
    ]
