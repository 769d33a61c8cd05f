"""A plan in words: one line on the network and one row for each layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dqn2snn._utils.table import format_table

if TYPE_CHECKING:
    from dqn2snn.plan.spiking_plan import SpikingPlan


COLUMNS = ("layer", "neurons", "weights", "threshold", "grid", "scale")
"""Header of the rows."""


def summary(plan: SpikingPlan) -> str:
    """The headline, and below it a table of the layers."""
    return f"{headline(plan)}\n{format_table(COLUMNS, layer_rows(plan))}"


def headline(plan: SpikingPlan) -> str:
    """One line on the whole network."""
    inputs = math.prod(plan.input_shape)
    return f"{plan.recipe}, {plan.num_steps} steps, {inputs} inputs, {plan.num_actions} actions"


def layer_rows(plan: SpikingPlan) -> list[list[str]]:
    """One row for each layer."""
    scales = plan.report.get("scales")
    known = scales if isinstance(scales, Mapping) else {}  # a report is free-form
    return [
        [
            layer.name,
            f"{layer.affine.neurons:,}",
            f"{layer.affine.weight.numel():,}",
            f"{float(layer.threshold.mean()):.4g}",
            "float" if layer.fraction_bits is None else f"2^-{layer.fraction_bits}",
            f"{scale:.4g}" if isinstance(scale := known.get(layer.name), (int, float)) else "",
        ]
        for layer in plan.all_layers
    ]
