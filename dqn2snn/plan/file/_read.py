"""From the content of a file to a plan, believing nothing of it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, TypeVar, get_args

import torch
from torch import Tensor

from dqn2snn.plan import ReadoutKind, SpikingLayer, SpikingPlan
from dqn2snn.plan.coding import coding_named
from dqn2snn.plan.file._write import OPS, TENSORS, weight_type
from dqn2snn.plan.graph import AffineLayer
from dqn2snn.plan.ops import Conv, Dense, LinearOp, out_shape

_T = TypeVar("_T")
_MOST_BITS = 1000
"""Largest number of bits of a grid: powers of two beyond it leave float64."""

_SIZES = {"stride": (2, 1), "padding": (2, 0), "dilation": (2, 1), "kernel": (2, 1), "widths": (4, -(2**31))}
"""Options of operations that hold several numbers: how many, and the smallest."""


def read_plan(header: dict[str, Any], tensors: dict[str, Tensor]) -> SpikingPlan:
    """The plan of a file.

    Raises:
        LookupError: If something is missing.
        TypeError: If something is of another type.
        ValueError: If something does not fit together.
        RuntimeError: If torch refuses the shapes.
    """
    described = _of_type(header["layers"], list)
    needed = {f"{i}.{name}" for i in range(len(described)) for name in TENSORS}
    allowed = needed | {f"{i}.step_bias" for i in range(1, len(described) - 1)}
    if not needed <= set(tensors) <= allowed:
        raise ValueError(f"tensors {sorted(tensors)} for {len(described)} layers")
    layers = [_layer(layer, tensors, f"{i}.") for i, layer in enumerate(described)]
    for before, after in pairwise(layers):
        if before.shape != after.affine.in_shape:
            raise ValueError(f"layer {after.name!r} does not fit behind {before.name!r}")
    if len(layers) < 2 or len(layers[-1].shape) != 1:
        raise ValueError("no hidden layer, or no Q-values")
    plan = SpikingPlan(
        layers=tuple(layers[:-1]),
        output=layers[-1],
        readout_scale=_of_type(header["readout_scale"], float),
        num_steps=_whole(header["num_steps"], 1),
        recipe=_recipe(header),
        reference=_of_type(header["reference"], str),
        input_bits=_bits(header["input_bits"]),
        report=_of_type(header["report"], dict),
        coding=coding_named(_of_type(header["coding"], str)),
        carry=_of_type(header["carry"], float),
        warmup_steps=_whole(header["warmup_steps"], 0),
        readout=_one_of(header["readout"], ReadoutKind),
    )
    if any(layer.step_bias is not None and len(layer.step_bias) < plan.num_steps for layer in layers):
        raise ValueError("a step_bias of fewer steps than the plan")
    if not math.isfinite(plan.readout_scale) or any(
        (x.fraction_bits is None) == plan.on_grid for x in layers
    ):
        raise ValueError("a scale that is not finite, or a grid in some layers only")
    return plan


def _recipe(header: dict[str, Any]) -> str:
    """The text of the recipe; older files have the names of its corrections in their report."""
    corrections = _of_type(header["report"], dict).pop("corrections", [])
    return "+".join([_of_type(header["recipe"], str), *_of_type(corrections, list)])


def _layer(described: dict[str, Any], tensors: dict[str, Tensor], prefix: str) -> SpikingLayer:
    bits, weight_bits = _bits(described["fraction_bits"]), _bits(described["weight_bits"])
    if described["reset"] not in ("subtract", "zero") or (bits is None) != (weight_bits is None):
        raise ValueError(f"reset {described['reset']!r}, grids {bits} and {weight_bits}")
    beta = _of_type(described.get("beta", 1.0), float)
    weight = _values(tensors, prefix + "weight", weight_bits, weight_type(beta))
    bias, threshold, v_init = (_values(tensors, prefix + name, bits, torch.int32) for name in TENSORS[1:])
    affine = AffineLayer(
        name=_of_type(described["name"], str),
        ops=tuple(_op(op, weight) for op in described["ops"]),
        bias=bias,
        in_shape=_numbers(described["in_shape"], 1),
        out_shape=_numbers(described["out_shape"], 1),
    )
    _check_fits(affine)
    shapes = ((), affine.out_shape[:1])
    if tuple(threshold.shape) not in shapes or tuple(v_init.shape) not in (*shapes, affine.out_shape):
        raise ValueError(f"thresholds of shape {tuple(threshold.shape)}, membranes of {tuple(v_init.shape)}")
    if not bool((threshold > 0).all()):
        raise ValueError(f"threshold of {affine.name!r} is not positive")
    step_bias = None
    if prefix + "step_bias" in tensors:
        step_bias = _values(tensors, prefix + "step_bias", bits, torch.int32)
        if step_bias.ndim != 2 or step_bias.shape[1] != affine.out_shape[0]:
            raise ValueError(f"step_bias of shape {tuple(step_bias.shape)}")
    most, duration, reach = described["max_count"], described.get("duration"), described.get("reach")
    return SpikingLayer(
        affine,
        threshold,
        v_init,
        described["reset"],
        bits,
        weight_bits,
        max_spikes=_whole(described["max_spikes"], 1),
        signed=_of_type(described["signed"], bool),
        max_count=None if most is None else _whole(most, 1),
        step_bias=step_bias,
        beta=beta,
        delay=_whole(described.get("delay", 0), 0),
        duration=None if duration is None else _whole(duration, 0),
        reach=None if reach is None else _of_type(reach, float),
    )


def _one_of(value: Any, names: Any) -> Any:
    if value not in get_args(names):
        raise ValueError(f"{value!r} instead of one of {get_args(names)}")
    return value


def _values(tensors: dict[str, Tensor], name: str, bits: int | None, dtype: torch.dtype) -> Tensor:
    stored = tensors[name]
    if stored.dtype != (torch.float64 if bits is None else dtype):
        raise TypeError(f"{name} of {stored.dtype}")
    value = stored.double() if bits is None else stored.double() * 2.0**-bits
    if not bool(torch.isfinite(value).all()):
        raise ValueError(f"NaN or infinity in {name}")
    return value


def _op(described: Any, weight: Tensor) -> LinearOp:
    options: dict[str, Any] = {}
    for name, value in _of_type(described, dict).items():
        if name in _SIZES:
            length, least = _SIZES[name]
            options[name] = _numbers(value, least, length)
        elif name == "shape":
            options[name] = _numbers(value, 1)
        elif name != "kind":
            options[name] = _whole(value, 1)
    op_type = OPS[described["kind"]]
    made: LinearOp = op_type(weight=weight, **options) if op_type in (Conv, Dense) else op_type(**options)
    return made


def _check_fits(affine: AffineLayer) -> None:
    """Follow the shapes without computing anything, so that a lying header costs no memory."""
    found = out_shape(affine.ops, affine.in_shape)
    if affine.weight is None or found != affine.out_shape:
        raise ValueError(f"layer {affine.name!r} gives {found} instead of {affine.out_shape}")
    if tuple(affine.bias.shape) not in (affine.out_shape[:1], affine.out_shape):
        raise ValueError(f"bias of {affine.name!r} has shape {tuple(affine.bias.shape)}")


def _of_type(value: Any, kind: type[_T]) -> _T:
    if type(value) is not kind:
        raise TypeError(f"{value!r} instead of a {kind.__name__}")
    return value


def _whole(value: Any, least: int) -> int:
    if _of_type(value, int) < least:
        raise ValueError(f"{value} instead of at least {least}")
    return int(value)


def _bits(value: Any) -> int | None:
    if value is not None and abs(_of_type(value, int)) > _MOST_BITS:
        raise ValueError(f"a grid of {value} bits")
    return None if value is None else int(value)


def _numbers(values: Any, least: int, length: int | None = None) -> tuple[Any, ...]:
    found = tuple(_whole(value, least) for value in _of_type(values, list))
    if not found or len(found) != (length or len(found)):
        raise ValueError(f"{values} instead of {length or 'some'} numbers")
    return found
