"""Thresholds that are powers of two, so that each neuron has the finest grid that its own membrane leaves it.

Where weights, bias, initial membrane and threshold of a neuron are all multiplied by 2^-e, no spike changes and nothing
is rounded. A whole layer shares one grid. A neuron whose membrane may travel far takes a smaller threshold, so that it
does not coarsen the grid of the others.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.plan.graph import per_channel
from dqn2snn.plan.grid import MAX_FRACTION_BITS
from dqn2snn.plan.membranes import membrane_bounds, reach_of
from dqn2snn.recipes._channels import rows_of

_FLOAT32_BITS = 24
_SMALLEST, _LARGEST = 2.0**-10, 2.0**4
"""Range of thresholds: they span some steps of the grid, and the neurons' currents stay within float32."""


def balanced(plan: SpikingPlan, grid: int | str) -> SpikingPlan:
    """Change the thresholds of a plan to suit a grid; a first layer that keeps its charge as it is stays as it is.

    Args:
        plan: In raw numbers.
        grid: "auto", or the fraction bits of all layers.

    Returns:
        SpikingPlan: A plan in raw numbers, with the same spikes.
    """
    if plan.num_steps >= 2**_FLOAT32_BITS:
        return plan  # which no grid holds
    bits = grid if isinstance(grid, int) else MAX_FRACTION_BITS
    layers = [_first(plan, bits)]
    for before, layer in zip(plan.layers, plan.all_layers[1:], strict=True):
        layers.append(_balanced(layer, before, plan.num_steps, bits))
    return replace(plan, layers=tuple(layers[:-1]), output=layers[-1])


def _first(plan: SpikingPlan, bits: int) -> SpikingLayer:
    """The first layer; where membranes grow, so does what its current was rounded by: its grid is as fine as can be."""
    layer, rows = plan.layers[0], rows_of(plan.layers[0].affine)
    if layer.beta <= 1 or rows is None:
        return layer
    travels = layer.beta * reach_of(layer, None) + plan.coding.ceiling(layer) * float(layer.threshold.max())
    bias = per_channel(layer.affine.bias.abs(), layer.shape).expand(layer.shape)
    reach = bias.clamp(min=travels + float(layer.v_init.max()))
    largest = _largest(reach.flatten(), rows.flatten(), len(layer.affine.weight))
    factor = 2.0 ** torch.floor(torch.log2(2.0 ** (_FLOAT32_BITS - bits) / largest))
    return _scaled(layer, factor.clamp(min=1), rows)


def _balanced(layer: SpikingLayer, before: SpikingLayer, num_steps: int, bits: int) -> SpikingLayer:
    rows = rows_of(layer.affine)
    if rows is None:
        return layer
    count = len(layer.affine.weight)
    travels = _largest(membrane_bounds(layer, before, num_steps).flatten(), rows.flatten(), count)
    weighs = layer.affine.weight.abs().reshape(count, -1).amax(1)
    room = torch.minimum(
        2.0 ** (_FLOAT32_BITS - bits) / travels, layer.largest_weight * 2.0**-bits / weighs.clamp(min=1e-30)
    )
    factor = 2.0 ** torch.floor(torch.log2(room))
    if bool((factor < _SMALLEST).any()):
        return layer  # no threshold helps against so many steps
    # Delays make the weights of growing layers small beside their thresholds: these take all the room that there is.
    return _scaled(layer, factor if layer.beta > 1 else factor.clamp(max=_LARGEST), rows)


def _largest(values: Tensor, rows: Tensor, count: int) -> Tensor:
    return torch.ones(count, dtype=torch.float64).scatter_reduce(0, rows, values, "amax", include_self=False)


def _scaled(layer: SpikingLayer, factor: Tensor, rows: Tensor) -> SpikingLayer:
    """Change the units of a layer by a factor for each row of its weights."""
    full = factor[rows]
    by_channel = full.reshape(len(full), -1)[:, 0]
    if not torch.equal(full, per_channel(by_channel, layer.shape).expand(layer.shape)):
        return layer
    weight = layer.affine.weight * factor.reshape(-1, *(1 for _ in layer.affine.weight.shape[1:]))

    def times(values: Tensor) -> Tensor:
        return values * (full if values.ndim == len(layer.shape) > 1 else by_channel)

    step_bias = None if layer.step_bias is None else layer.step_bias * by_channel
    return replace(
        layer,
        affine=layer.affine.with_parameters(weight, times(layer.affine.bias)),
        threshold=layer.threshold * by_channel,
        v_init=times(layer.v_init),
        step_bias=step_bias,
    )
