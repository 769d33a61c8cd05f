"""Graphs that `to_nir` built: the plan, bit by bit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dqn2snn.errors import CheckpointError
from dqn2snn.io.interop._chain import Link
from dqn2snn.io.interop._to_nir import KEY, SCHEMA
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.file._read import read_plan
from dqn2snn.plan.file._write import READABLE, checksum


def our_plan(nir: Any, graph: Any, links: Sequence[Link]) -> SpikingPlan:
    """The plan of a graph with our metadata.

    Args:
        nir: The package.
        graph: The graph.
        links: Its layers.

    Returns:
        SpikingPlan: The plan.

    Raises:
        CheckpointError: If the metadata is of another version, or not that of this graph.
    """
    try:
        header = json.loads(_text(graph.metadata[KEY]))
        structure = header["plan"]
        if header["schema"] != SCHEMA or structure["format_version"] not in READABLE:
            raise ValueError(
                f"schema {header['schema']} of plans in format {structure['format_version']} instead of {SCHEMA} "
                f"and {READABLE}"
            )
        tensors: dict[str, Tensor] = {}
        for index, (link, layer, shapes) in enumerate(
            zip(links, structure["layers"], header["shapes"], strict=True)
        ):
            found = _tensors(nir, graph, link, layer, shapes)
            tensors |= {f"{index}.{name}": tensor for name, tensor in found.items()}
        if header["sha256"] != checksum(structure, tensors):
            raise ValueError("numbers that are not those of the plan")
        return read_plan(structure, tensors)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise CheckpointError(
            f"Expected a NIR graph as dqn2snn writes it. Found one that was changed since, or is of another version: "
            f"{error!r}. Give num_steps and reset to read the nodes without the metadata."
        ) from None


def _tensors(
    nir: Any, graph: Any, link: Link, layer: dict[str, Any], shapes: dict[str, Any]
) -> dict[str, Tensor]:
    (node,) = [node for _, node in link.synapses if isinstance(node, (nir.Conv2d, nir.Affine))]
    if link.neurons is None:
        threshold, v_init = graph.metadata["output_threshold"], graph.metadata["output_v_init"]
        metadata: dict[str, Any] = {}
    else:
        threshold, metadata = link.neurons.threshold, link.neurons.metadata
        v_init = metadata["v_init"]
        if layer["reset"] == "zero":
            threshold = _raised(threshold, layer["fraction_bits"], metadata)
    bits, weight_bits = layer["fraction_bits"], layer["weight_bits"]
    found = {
        "weight": _grouped(_stored(node.weight, weight_bits, torch.int16), layer),
        "bias": _stored(node.bias, bits, torch.int32),
        "threshold": _stored(_reduced(threshold, shapes["threshold"]), bits, torch.int32),
        "v_init": _stored(_reduced(v_init, shapes["v_init"]), bits, torch.int32),
    }
    if "step_bias" in metadata:
        found["step_bias"] = _stored(metadata["step_bias"], bits, torch.int32)
    return found


def _raised(fires_above: Any, bits: int | None, metadata: dict[str, Any]) -> Any:
    """The plan's threshold of neurons with hard resets, for which `to_nir` writes a lower one.

    Before it wrote "gt", it did so on grids only.
    """
    exact = np.asarray(fires_above, np.float64)
    if bits is not None:
        return exact + 2.0 ** -(bits + 1)
    return np.nextafter(exact, np.inf) if _text(metadata["spike"]) == "gt" else exact


def _grouped(weight: Tensor, layer: dict[str, Any]) -> Tensor:
    """The weights in the groups that the plan has; `to_nir` writes one."""
    groups = max(op.get("groups", 1) for op in layer["ops"])
    if groups == 1:
        return weight
    parts = [rows.chunk(groups, dim=1)[group] for group, rows in enumerate(weight.chunk(groups, dim=0))]
    if sum(int(part.count_nonzero()) for part in parts) != int(weight.count_nonzero()):
        raise ValueError("weights between groups")
    return torch.cat(parts).contiguous()


def _reduced(values: Any, shape: Sequence[int]) -> Any:
    """One number for a layer or a channel, out of one for each neuron."""
    array = np.asarray(values)
    for _ in range(array.ndim - len(shape)):
        if (array != array[..., :1]).any():
            raise ValueError("thresholds or membranes that differ within a channel")
        array = array[..., 0]
    return array


def _stored(values: Any, bits: int | None, dtype: torch.dtype) -> Tensor:
    """As in the file of a plan: whole numbers of steps of the grid."""
    exact = torch.from_numpy(np.array(values, dtype=np.float64))
    return exact if bits is None else (exact * 2.0**bits).to(dtype)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
