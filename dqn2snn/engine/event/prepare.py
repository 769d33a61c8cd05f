"""A plan in the numbers that the event engine reads: integers on the grid, floats off it."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dqn2snn._utils.host import on_host
from dqn2snn.engine.available import why_not
from dqn2snn.engine.decide import separations
from dqn2snn.engine.event.lower import Synapses, image, lower
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.plan.graph import AffineLayer

_Reals = NDArray[np.float64]


def refusal(plan: SpikingPlan) -> str | None:
    """Why the event engine cannot simulate a plan here; None if it can.

    Args:
        plan: The spiking network.

    Returns:
        str | None: A reason for people.
    """
    missing = why_not()
    if missing is not None:
        return missing
    unspoken = _unspoken(plan)
    if unspoken is not None:
        return unspoken
    if len(plan.output.shape) != 1:
        return f"its output has the shape {list(plan.output.shape)}"
    for layer in plan.all_layers[1:]:
        synapses = _lowered(layer.affine)
        if isinstance(synapses, str):
            return f"of layer {layer.name!r}: {synapses}"
        inputs = image(layer.affine.in_shape)[0] if len(synapses.runs) == 1 else len(synapses.weights)
        if inputs > _ROWS_MAX:
            return f"of layer {layer.name!r}: its neurons read {inputs:,} inputs, more than {_ROWS_MAX:,}"
        if layer.steady and not _fits_int16(synapses, layer.weight_bits):
            return f"of layer {layer.name!r}: weights that a pooling adds up leave 16 bits"
    return None


def _unspoken(plan: SpikingPlan) -> str | None:
    """A property of the plan that the engine does not know, as a clause."""
    if plan.coding.compiled is None:
        return f"{plan.coding} coding is not compiled into it"
    if plan.stateful and not plan.on_grid:
        return "rounding errors of raw floats would gather from one decision to the next"
    if plan.coding.persistent:
        for layer in plan.all_layers:
            if layer.reset == "zero":
                return f"neurons of layer {layer.name!r} forget at each spike what {plan.coding} coding has to remember"
        for layer in plan.all_layers[1:]:
            if layer.step_bias is not None:
                return f"layer {layer.name!r} of a {plan.coding} network has a bias current"
    return _unkept(plan) or _too_large(plan)


def _unkept(plan: SpikingPlan) -> str | None:
    """Whether neurons that grow, leak or wait are mixed with others, or have a limit that makes no sense."""
    unsteady = [layer for layer in plan.all_layers if not layer.steady]
    if unsteady and (len(unsteady) < len(plan.all_layers) or plan.output.duration != 0 or plan.stateful):
        return f"neurons of layer {unsteady[0].name!r} grow, leak or wait, and not all others do"
    for layer in unsteady:
        if layer.growth != 1 and layer.max_count is not None:
            return f"neurons of layer {layer.name!r} limit a count that grows"
    return None


def _too_large(plan: SpikingPlan) -> str | None:
    """Whether the first layer's current, or what gathers in neurons that send no more, leaves the engine's numbers."""
    first = plan.layers[0]
    if first.fraction_bits is None:
        return None
    charge = plan.coding.ceiling(first) * float(first.threshold.max()) * 2.0**first.fraction_bits
    if charge > (_FLOAT_MAX if first.steady else _INT32_MAX):
        return f"currents of layer {first.name!r} are too large for exact numbers of 32 bits"
    gathers = first.steady and not plan.coding.once and first.max_count is not None
    if gathers and charge * plan.num_steps > _INT32_MAX:
        return f"membranes of layer {first.name!r} leave 32 bits"
    return None


_INT16_MAX = 2**15 - 1
_FLOAT_MAX = 2**24
_INT32_MAX = 2**31 - 1
_UINT32_MAX = 2**32 - 1
_ROWS_MAX = 2**16


def _fits_int16(synapses: Synapses, weight_bits: int | None) -> bool:
    """Whether weights on the grid, which a pooling may have added up, are 16-bit numbers."""
    if weight_bits is None:
        return True
    return float(np.abs(synapses.weights).max(initial=0)) * 2.0**weight_bits <= _INT16_MAX


def is_wide(plan: SpikingPlan) -> bool:
    """Whether weights on the grid take more than 16 bits.

    The engine then holds all numbers as floats, in whole steps of the grid: sums of these are exact too, since the grid
    is made for float32.
    """
    return plan.on_grid and any(
        not _fits_int16(synapses, layer.weight_bits)
        for layer in plan.all_layers[1:]
        if not layer.steady and isinstance(synapses := _lowered(layer.affine), Synapses)
    )


@on_host()
def _lowered(affine: AffineLayer) -> Synapses | str:
    return lower(affine.cast(torch.float64, torch.device("cpu")))


def build(plan: SpikingPlan, module: ModuleType) -> tuple[Any, bool]:
    """The engine's network.

    Args:
        plan: A plan that `refusal` does not refuse.
        module: The compiled extension.

    Returns:
        tuple[Any, bool]: The network, and whether it takes observations; else the first layer's currents.
    """
    first = _first(plan)
    layers = [
        _layer(layer, _lowered(layer.affine) if i else first, module)
        for i, layer in enumerate(plan.all_layers)
    ]
    network = module.Network(
        on_grid=plan.on_grid and not is_wide(plan),
        input_step=_step(plan.input_bits),
        weight_step=_step(plan.layers[0].weight_bits),
        layers=layers,
        output_distance=separations(plan).double().numpy(),
        readout_scale=plan.readout_scale,
        most_spikes=int(plan.coding.ceiling(plan.layers[0])),
        warmup_steps=plan.warmup_steps,
        onset=plan.coding.onset,
        carry=plan.carry,
        **(plan.coding.compiled or {}),
    )
    return network, isinstance(first, Synapses) and len(first.weights) > 0


def _first(plan: SpikingPlan) -> Synapses:
    """The first layer's synapses; none at all where the engine cannot read them, which then takes currents."""
    layer = plan.layers[0]
    synapses = _lowered(layer.affine)
    if (
        isinstance(synapses, Synapses)
        and not synapses.repeats_rows
        and _fits_int16(synapses, layer.weight_bits)
        and not is_wide(plan)
    ):
        return synapses
    channels, height, width = image(layer.shape)
    return Synapses(
        fields=np.zeros(height * width + 1, np.uint32),
        runs=np.zeros((0, 3), np.uint32),
        weights=np.zeros((0, channels)),
        repeats_rows=False,
    )


def _layer(layer: SpikingLayer, synapses: Synapses | str, module: ModuleType) -> Any:
    if isinstance(synapses, str):
        raise AssertionError(synapses)
    in_channels, in_height, in_width = image(layer.affine.in_shape)
    channels, height, width = image(layer.shape)
    step = _step(layer.fraction_bits)
    return module.Layer(
        in_pixels=in_height * in_width,
        in_channels=in_channels,
        pixels=height * width,
        channels=channels,
        fields=synapses.fields,
        runs=synapses.runs,
        repeats_rows=synapses.repeats_rows,
        weights=synapses.weights / _step(layer.weight_bits),
        bias=_pixel_major(layer.affine.bias) / step,
        threshold=_per_channel(layer.threshold, channels) / step,
        v_init=_v_init(layer, channels) / step,
        step_bias=_step_bias(layer, channels) / step,
        hard_reset=layer.reset == "zero",
        step=step,
        max_spikes=layer.max_spikes,
        max_count=layer.max_count or 0,
        is_signed=layer.signed,
        beta=layer.beta,
        reach=math.inf if layer.reach is None else layer.reach / step,
        delay=min(layer.delay, _UINT32_MAX),
        duration=_UINT32_MAX if layer.duration is None else min(layer.duration, _UINT32_MAX),
    )


def _step(bits: int | None) -> float:
    return 1.0 if bits is None else 2.0**-bits


def _pixel_major(values: Tensor) -> _Reals:
    """Values of each channel `[C]`, or of each neuron `[pixels, C]`, flat."""
    values = values.detach().cpu().double()
    if values.ndim == 3:
        values = values.permute(1, 2, 0).contiguous()
    return values.reshape(-1).numpy()


def _per_channel(values: Tensor, channels: int) -> _Reals:
    return values.detach().cpu().double().expand(channels).contiguous().numpy()


def _v_init(layer: SpikingLayer, channels: int) -> _Reals:
    each = layer.v_init.ndim == len(layer.shape) and layer.v_init.ndim > 1
    return _pixel_major(layer.v_init) if each else _per_channel(layer.v_init, channels)


def _step_bias(layer: SpikingLayer, channels: int) -> _Reals:
    """`[steps, C]`, flat; empty for none."""
    if layer.step_bias is None:
        return np.zeros(0)
    return _pixel_major(layer.step_bias.reshape(-1, channels))
