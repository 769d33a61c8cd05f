"""Plans as files: one safetensors file with the structure as JSON in its header.

Nothing in such a file is executed when it is read. Tensors on the grid are stored as integers: weights as int16,
biases, thresholds and membranes as int32, so that a file is half the size of the float32 network.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load, save
from torch import Tensor

from dqn2snn.errors import CheckpointError
from dqn2snn.graph import AffineLayer
from dqn2snn.ops import Conv, Dense, LinearOp, Pad, Reshape, SumPool, run
from dqn2snn.plan import FORMAT_VERSION, SpikingLayer, SpikingPlan

__all__ = ["load_plan", "plan_bytes", "save_plan"]

_OPS: dict[str, type[Any]] = {
    "conv": Conv,
    "dense": Dense,
    "sum_pool": SumPool,
    "pad": Pad,
    "reshape": Reshape,
}


def save_plan(plan: SpikingPlan, path: str | os.PathLike[str]) -> None:
    """Write a plan to a file; the file appears whole or not at all.

    Args:
        plan: The plan.
        path: File to write, by convention `*.safetensors`.
    """
    target = Path(path)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(plan_bytes(plan))
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def plan_bytes(plan: SpikingPlan) -> bytes:
    """The content of a plan's file; equal plans give equal bytes."""
    tensors = {
        f"{i}.{name}": tensor
        for i, layer in enumerate(plan.all_layers)
        for name, tensor in _stored(layer).items()
    }
    header = {
        "format_version": FORMAT_VERSION,
        "recipe": plan.recipe,
        "reference": plan.reference,
        "num_steps": plan.num_steps,
        "readout_scale": plan.readout_scale,
        "input_bits": plan.input_bits,
        "report": dict(plan.report),
        "layers": [_described(layer) for layer in plan.all_layers],
    }
    return save(tensors, metadata={"dqn2snn": json.dumps(header, sort_keys=True)})


def load_plan(path: str | os.PathLike[str]) -> SpikingPlan:
    """Read a plan from a file.

    Args:
        path: A file that `save_plan` wrote.

    Returns:
        SpikingPlan: The same plan, bit by bit.

    Raises:
        CheckpointError: If the file is missing, truncated, corrupt, not a plan, or of another version.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"Expected a plan at {path}. Found no readable file: {error.strerror}."
        ) from None
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        tensors = load(content)
        header = json.loads(metadata["dqn2snn"])
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"Expected a plan at {path}. Found a truncated or foreign file: {error!r}. Save it again."
        ) from None
    version = header.get("format_version") if isinstance(header, dict) else None
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"Expected a plan of format_version {FORMAT_VERSION}. Found {version!r} in {path}. "
            "Convert the network again, or use the version of dqn2snn that wrote it."
        )
    try:
        return _plan(header, tensors)
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError, LookupError, OverflowError) as error:
        raise CheckpointError(
            f"Expected a whole plan at {path}. Found a corrupt one: {error!r}. Save it again."
        ) from None


def _stored(layer: SpikingLayer) -> dict[str, Tensor]:
    named = {
        "weight": layer.affine.weight,
        "bias": layer.affine.bias,
        "threshold": layer.threshold,
        "v_init": layer.v_init,
    }
    if layer.fraction_bits is None or layer.weight_bits is None:
        return {name: value.double().contiguous() for name, value in named.items()}
    whole = {
        name: (value * 2.0**layer.fraction_bits).to(torch.int32)
        for name, value in named.items()
        if name != "weight"
    }
    return {"weight": (layer.affine.weight * 2.0**layer.weight_bits).to(torch.int16).contiguous(), **whole}


def _described(layer: SpikingLayer) -> dict[str, Any]:
    return {
        "name": layer.name,
        "in_shape": list(layer.affine.in_shape),
        "out_shape": list(layer.shape),
        "ops": [_described_op(op) for op in layer.affine.ops],
        "reset": layer.reset,
        "fraction_bits": layer.fraction_bits,
        "weight_bits": layer.weight_bits,
    }


def _described_op(op: LinearOp) -> dict[str, Any]:
    kind = next(name for name, op_type in _OPS.items() if type(op) is op_type)
    return {"kind": kind, **{name: value for name, value in vars(op).items() if name != "weight"}}


def _plan(header: dict[str, Any], tensors: dict[str, Tensor]) -> SpikingPlan:
    layers = [_layer(described, tensors, f"{i}.") for i, described in enumerate(header["layers"])]
    for before, after in pairwise(layers):
        if before.shape != after.affine.in_shape:
            raise ValueError(f"layer {after.name!r} does not fit behind {before.name!r}")
    if len(layers) < 2 or not isinstance(header["num_steps"], int) or header["num_steps"] < 1:
        raise ValueError("no hidden layer, or no steps")
    input_bits = header["input_bits"]
    return SpikingPlan(
        layers=tuple(layers[:-1]),
        output=layers[-1],
        readout_scale=float(header["readout_scale"]),
        num_steps=header["num_steps"],
        recipe=str(header["recipe"]),
        reference=str(header["reference"]),
        input_bits=None if input_bits is None else int(input_bits),
        report=dict(header["report"]),
    )


def _layer(described: dict[str, Any], tensors: dict[str, Tensor], prefix: str) -> SpikingLayer:
    bits, weight_bits = described["fraction_bits"], described["weight_bits"]
    if described["reset"] not in ("subtract", "zero"):
        raise ValueError(f"unknown reset {described['reset']!r}")

    def number(name: str, fraction_bits: int | None) -> Tensor:
        value = tensors[prefix + name].double()
        if not bool(torch.isfinite(value).all()):
            raise ValueError(f"NaN or infinity in {prefix + name}")
        return value if fraction_bits is None else value * 2.0**-fraction_bits

    weight = number("weight", weight_bits)
    affine = AffineLayer(
        name=str(described["name"]),
        ops=tuple(_op(op, weight) for op in described["ops"]),
        bias=number("bias", bits),
        in_shape=tuple(described["in_shape"]),
        out_shape=tuple(described["out_shape"]),
    )
    _check_fits(affine)
    layer = SpikingLayer(
        affine, number("threshold", bits), number("v_init", bits), described["reset"], bits, weight_bits
    )
    if not bool((layer.threshold > 0).all()):
        raise ValueError(f"threshold of {layer.name!r} is not positive")
    return layer


def _op(described: dict[str, Any], weight: Tensor) -> LinearOp:
    options = {
        name: tuple(v) if isinstance(v, list) else v for name, v in described.items() if name != "kind"
    }
    op_type = _OPS[described["kind"]]
    made: LinearOp = op_type(weight=weight, **options) if op_type in (Conv, Dense) else op_type(**options)
    return made


def _check_fits(affine: AffineLayer) -> None:
    """Follow the shapes without computing anything, so that a lying header costs no memory."""
    ops = tuple(
        replace(op, weight=op.weight.to("meta")) if isinstance(op, (Conv, Dense)) else op for op in affine.ops
    )
    found = tuple(run(ops, torch.empty(1, *affine.in_shape, dtype=torch.float64, device="meta")).shape[1:])
    if affine.weight is None or found != affine.out_shape:
        raise ValueError(f"layer {affine.name!r} gives {found} instead of {affine.out_shape}")
    if tuple(affine.bias.shape) not in ((affine.out_shape[0],), affine.out_shape):
        raise ValueError(f"bias of {affine.name!r} has shape {tuple(affine.bias.shape)}")
