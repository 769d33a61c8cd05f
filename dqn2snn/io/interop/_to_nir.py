"""From a plan to a NIR graph, node by node."""

from __future__ import annotations

import itertools
import json
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dqn2snn._utils.extras import require
from dqn2snn._utils.host import on_host
from dqn2snn.errors import ArgumentError, PlanError
from dqn2snn.io.interop._needs import needs
from dqn2snn.io.interop._synapses import array_of, synapse_nodes
from dqn2snn.plan import PlanOrNetwork, SpikingLayer, SpikingPlan, plan_of
from dqn2snn.plan.file._write import checksum, described_plan, stored_tensors
from dqn2snn.plan.graph import per_channel

KEY = "dqn2snn"
"""Key of the graph's metadata under which the structure of the plan stands as JSON."""

SCHEMA = 1
"""Version of what is in the metadata."""

ResetForm = Literal["if", "composite"]


@on_host()
def to_nir(plan: PlanOrNetwork, *, reset: ResetForm = "if") -> Any:
    """Build the NIR graph of a plan.

    The numbers are those of the plan: float32 where they are on a grid, which that type holds exactly, else float64.
    The head is an affine node; its output, summed over the steps of a decision, gives the Q-values as the metadata
    says.

    NIR fires above a threshold and the plan at it. Thresholds of nodes that say everything are therefore lower than the
    plan's: on a grid by half a step. Readers do not round the current of the first layer to the grid, as the plan does:
    where a membrane comes within half a step of the threshold, a spike of that layer may come a step earlier or later.
    Off a grid a threshold is the next smaller float64, so that hard resets fire where the plan fires, in a reader that
    computes the same currents in float64. One that makes float32 of the numbers rounds that away: give it a plan on a
    grid.

    Args:
        plan: A plan, or its network.
        reset: "if" makes `nir.IF` nodes, which all readers know, and which are reset to zero: what else the neurons do
            stands in the metadata. Where that says soft resets, the node's threshold is the plan's, at which neurons
            fire ("spike" is "ge"). "composite" makes neurons of `nir.I`, `nir.Threshold` and `nir.Scale`, with an edge
            back from a spike to the membrane, from which it takes the threshold: soft reset and initial membrane in
            nodes alone, for readers of such loops. It needs a plan on a grid: the loop takes the threshold from the
            next current, not from the membrane, and begins at zero, which in raw numbers rounds differently.

    Returns:
        nir.NIRGraph: Write it with `nir.write`. What it leaves to the metadata, `needs` tells.

    Raises:
        ArgumentError: If `plan` is neither plan nor network, or `reset` neither of the two.
        MissingExtraError: If nir is not installed.
        PlanError: If the network holds something that NIR has no node for, or neurons that composites cannot be, or
            raw numbers for composites.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> import dqn2snn
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> plan = dqn2snn.convert(net, torch.rand(64, 4), recipe="tan2021", num_steps=16).plan
        >>> sorted(dqn2snn.to_nir(plan).nodes)
        ['input', 'layer0_affine', 'layer0_neurons', 'layer1_affine', 'output']
    """
    plan = plan_of(plan)
    nir = require("nir", extra="nir")
    _check(plan, reset)
    nodes: dict[str, Any] = {"input": nir.Input(np.array(plan.input_shape))}
    edges: list[tuple[str, str]] = []
    last = "input"
    for index, layer in enumerate(plan.all_layers):
        for kind, node in synapse_nodes(nir, layer, plan):
            name = f"layer{index}_{kind}"
            nodes[name] = node
            edges.append((last, name))
            last = name
        if index < len(plan.layers):
            last = _add_neurons(nir, plan, layer, f"layer{index}", reset, last, nodes, edges)
    nodes["output"] = nir.Output(np.array(plan.output.shape))
    edges.append((last, "output"))
    return nir.NIRGraph(nodes, edges, metadata=_metadata(plan, reset))


def _check(plan: SpikingPlan, reset: str) -> None:
    if reset not in ("if", "composite"):
        raise ArgumentError(f'Expected reset="if" or "composite". Found {reset!r}. Most readers know "if".')
    if not all(layer.steady for layer in plan.all_layers):
        raise PlanError(
            "Expected neurons that neither leak nor grow, and may fire at every step, for which NIR has nodes. Found "
            f'those of {plan.coding} coding. Save the plan with dqn2snn.plan.file.save_plan, or convert with "rate_if".'
        )
    others = [need for need in needs(plan, reset) if need != "state between decisions"]
    if reset == "composite" and (others or any(layer.reset == "zero" for layer in plan.layers)):
        raise PlanError(
            f"Expected neurons with soft reset that send one spike a step, of which composites can be made. Found "
            f'{", ".join(others) or "hard resets"}. Use reset="if", or convert with the recipe "rate_if" or "tan2021".'
        )
    if reset == "composite" and not plan.on_grid:
        raise PlanError(
            "Expected a plan on a grid, where sums are exact in any order. Found one in raw numbers, which composites "
            'add up in another order than the plan, so that spikes would move. Use reset="if", or convert with '
            'grid="auto".'
        )


def _add_neurons(
    nir: Any,
    plan: SpikingPlan,
    layer: SpikingLayer,
    name: str,
    reset: str,
    last: str,
    nodes: dict[str, Any],
    edges: list[tuple[str, str]],
) -> str:
    """Put the neurons of a layer behind the last node, and return the name of the node that spikes."""
    metadata = _of_neurons(layer, plan, reset)
    threshold = array_of(_whole_shape(layer.threshold, layer), plan)
    ones = np.ones_like(threshold)
    if reset == "if":
        fires_above = _lowered(threshold, layer, plan) if layer.reset == "zero" else threshold
        nodes[f"{name}_neurons"] = nir.IF(ones, fires_above, 0 * ones, metadata=metadata)
        edges.append((last, f"{name}_neurons"))
        return f"{name}_neurons"
    rise = array_of(_whole_shape(layer.threshold - layer.v_init, layer), plan)
    nodes[f"{name}_membrane"] = nir.I(ones, metadata=metadata)
    nodes[f"{name}_fire"] = nir.Threshold(_lowered(rise, layer, plan))
    nodes[f"{name}_reset"] = nir.Scale(-threshold)
    steps = (last, f"{name}_membrane", f"{name}_fire", f"{name}_reset", f"{name}_membrane")
    edges.extend(itertools.pairwise(steps))
    return f"{name}_fire"


def _lowered(
    threshold: NDArray[np.floating[Any]], layer: SpikingLayer, plan: SpikingPlan
) -> NDArray[np.floating[Any]]:
    """NIR fires above a threshold and the plan at it: half a step of the grid lower, or one float, it is the same."""
    if not plan.on_grid or layer.fraction_bits is None:
        return np.asarray(np.nextafter(threshold, -np.inf))
    return threshold - np.float32(2.0 ** -(layer.fraction_bits + 1))


def _of_neurons(layer: SpikingLayer, plan: SpikingPlan, reset: str) -> dict[str, Any]:
    """Properties of neurons that NIR's nodes do not have, as arrays and numbers."""
    soft = reset == "if" and layer.reset == "subtract"
    found: dict[str, Any] = {
        "reset": layer.reset,
        "v_init": array_of(_whole_shape(layer.v_init, layer), plan),
        "spike": "ge" if soft else "gt",  # at the node's threshold; above it, which is lower than the plan's
        "dt": 1.0,
        "max_spikes": layer.max_spikes,
        "signed": int(layer.signed),
    }
    if layer.max_count is not None:
        found["max_count"] = layer.max_count
    if layer.step_bias is not None:
        found["step_bias"] = array_of(layer.step_bias, plan)
    return found


def _metadata(plan: SpikingPlan, reset: str) -> dict[str, Any]:
    structure = described_plan(plan)
    header = {
        "schema": SCHEMA,
        "reset_form": reset,
        "needs": list(needs(plan, reset)),
        "plan": structure,
        "shapes": [
            {name: list(getattr(layer, name).shape) for name in ("threshold", "v_init")}
            for layer in plan.all_layers
        ],
        "sha256": checksum(structure, stored_tensors(plan)),
    }
    return {
        KEY: json.dumps(header, sort_keys=True),
        "output_threshold": array_of(_whole_shape(plan.output.threshold, plan.output), plan),
        "output_v_init": array_of(_whole_shape(plan.output.v_init, plan.output), plan),
    }


def _whole_shape(values: Tensor, layer: SpikingLayer) -> Tensor:
    """One number a neuron, as NIR wants it."""
    return per_channel(values, layer.shape).expand(layer.shape)
