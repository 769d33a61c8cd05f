"""The content of a plan's file: structure, tensors and their checksum."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from dqn2snn.errors import PlanError
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.plan.ops import Conv, Dense, LinearOp, Pad, Reshape, SumPool

FORMAT_VERSION = 3

READABLE = (2, 3)
"""Versions that are read; the second has no beta, delay, duration and reach."""

OPS: dict[str, type[Any]] = {
    "conv": Conv,
    "dense": Dense,
    "sum_pool": SumPool,
    "pad": Pad,
    "reshape": Reshape,
}
"""The kinds of operations by their names in a file."""

TENSORS = ("weight", "bias", "threshold", "v_init")
"""Tensors of each layer, stored as `<index>.<name>`; some layers have a `step_bias` too."""


def described_plan(plan: SpikingPlan) -> dict[str, Any]:
    """Everything but the tensors, in types that JSON has."""
    return {
        "format_version": FORMAT_VERSION,
        "recipe": plan.recipe,
        "reference": plan.reference,
        "num_steps": int(plan.num_steps),
        "readout_scale": float(plan.readout_scale),
        "input_bits": plan.input_bits,
        "report": dict(plan.report),
        "coding": plan.coding.name,
        "carry": float(plan.carry),
        "warmup_steps": int(plan.warmup_steps),
        "readout": plan.readout,
        "layers": [_described_layer(layer) for layer in plan.all_layers],
    }


def stored_tensors(plan: SpikingPlan) -> dict[str, Tensor]:
    """The tensors of all layers, as integers where they are on the grid.

    Raises:
        PlanError: If they are not on the grid that the plan names.
    """
    return {
        f"{i}.{name}": tensor
        for i, layer in enumerate(plan.all_layers)
        for name, tensor in _stored_layer(layer).items()
    }


def checksum(header: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    """SHA-256 of a plan's structure and tensors.

    Raises:
        PlanError: If the structure holds something that JSON does not.
    """
    try:
        text = json.dumps(header, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise PlanError(
            f"Expected a report of numbers, strings, lists and mappings. Found others: {error}."
        ) from None
    return hashlib.sha256(text.encode() + save(tensors)).hexdigest()


def _stored_layer(layer: SpikingLayer) -> dict[str, Tensor]:
    values = {
        "weight": layer.affine.weight,
        "bias": layer.affine.bias,
        "threshold": layer.threshold,
        "v_init": layer.v_init,
        "step_bias": layer.step_bias,
    }
    stored = {}
    for name, value in values.items():
        if value is None:
            continue
        bits, dtype = (
            (layer.weight_bits, weight_type(layer.beta))
            if name == "weight"
            else (layer.fraction_bits, torch.int32)
        )
        # A clone, since two tensors in a file must not share memory; a cast plan has [C, 1, 1] for [C].
        exact = value.detach().double().cpu().clone(memory_format=torch.contiguous_format)
        if name in ("threshold", "v_init") and exact.shape != layer.shape:
            exact = exact.flatten() if exact.ndim > 1 else exact
        if name == "step_bias":
            exact = exact.flatten(1)
        stored[name] = exact if bits is None else _whole(exact, bits, dtype, f"{layer.name}.{name}")
    return stored


def weight_type(beta: float) -> torch.dtype:
    """Integers that hold the weights of a layer."""
    return torch.int16 if beta <= 1 else torch.int32


def _whole(value: Tensor, bits: int, dtype: torch.dtype, name: str) -> Tensor:
    scaled = value * 2.0**bits
    whole = scaled.to(dtype)
    if not torch.equal(whole.double(), scaled):
        raise PlanError(
            f"Expected {name!r} in {dtype} multiples of 2^-{bits}, as the plan says. Found others. Put the plan on "
            "its grid again with dqn2snn.plan.grid.on_grid."
        )
    return whole


def _described_layer(layer: SpikingLayer) -> dict[str, Any]:
    return {
        "name": layer.name,
        "in_shape": list(layer.affine.in_shape),
        "out_shape": list(layer.shape),
        "ops": [_described_op(op) for op in layer.affine.ops],
        "reset": layer.reset,
        "fraction_bits": layer.fraction_bits,
        "weight_bits": layer.weight_bits,
        "max_spikes": layer.max_spikes,
        "signed": layer.signed,
        "max_count": layer.max_count,
        "beta": float(layer.beta),
        "delay": int(layer.delay),
        "duration": layer.duration,
        "reach": layer.reach,
    }


def _described_op(op: LinearOp) -> dict[str, Any]:
    kind = next(name for name, op_type in OPS.items() if type(op) is op_type)
    return {"kind": kind, **{name: value for name, value in vars(op).items() if name != "weight"}}
