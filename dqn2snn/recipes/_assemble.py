"""The plan that all recipes with thresholds of their own for each channel end in."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dqn2snn._host import on_host
from dqn2snn.calibration import ActivationStats
from dqn2snn.errors import CalibrationError
from dqn2snn.graph import LayerGraph
from dqn2snn.grid import on_grid
from dqn2snn.plan import SpikingLayer, SpikingPlan, check_num_steps
from dqn2snn.recipes._channels import scaled_affine, shared_where_mixed

__all__ = ["channel_plan", "check_active", "placed"]

V_INIT = 0.5
"""Of the threshold: the neuron rounds to the nearest whole number of spikes instead of down (Bu et al. 2022)."""


@on_host()
def channel_plan(
    graph: LayerGraph,
    stats: ActivationStats,
    quanta: list[Tensor],
    head: float,
    *,
    num_steps: int,
    recipe: str,
    reference: str,
    report: dict[str, Any],
    **neuron: Any,
) -> SpikingPlan:
    """The plan in which one spike of a hidden neuron stands for its quantum, in raw numbers.

        W <- W diag(q_{l-1}) / q_l,    b <- b / q_l,    threshold 1,    V(0) = 1/2;    of the output V(0) = 0.

    Args:
        graph: The traced network.
        stats: Its calibration.
        quanta: q of every hidden layer, `[]`, `[C]` or one per neuron.
        head: Q-value of one unit of the output's charge.
        num_steps: Time steps of a decision.
        recipe: Name of the calling recipe.
        reference: Its paper.
        report: What it has to say beside the scales.
        **neuron: Fields of the hidden `SpikingLayer`s.

    Returns:
        SpikingPlan: In "rate" coding, raw.

    Raises:
        PlanError: If `num_steps` is not a positive whole number.
    """
    num_steps = check_num_steps(num_steps)
    full = shared_where_mixed(graph, quanta)
    one, half = torch.ones((), dtype=torch.float64), torch.full((), V_INIT, dtype=torch.float64)
    hidden = tuple(
        SpikingLayer(scaled_affine(layer, before, now), threshold=one, **{"v_init": half, **neuron})
        for layer, before, now in zip(graph.layers, [None, *full[:-1]], full, strict=True)
    )
    output = scaled_affine(graph.head, full[-1], torch.tensor(head, dtype=torch.float64))
    return SpikingPlan(
        layers=hidden,
        output=SpikingLayer(output, threshold=one, v_init=0 * one),
        readout_scale=head,
        num_steps=num_steps,
        recipe=recipe,
        reference=reference,
        report={"observations": stats.count, **report},
    )


def placed(plan: SpikingPlan, stats: ActivationStats, grid: int | str | None) -> SpikingPlan:
    """The plan on its grid, unless `grid` is None."""
    return plan if grid is None else on_grid(plan, grid, stats.observation_magnitude)


def check_active(graph: LayerGraph, stats: ActivationStats) -> None:
    """Nothing.

    Raises:
        CalibrationError: If a hidden layer never fires.
    """
    for layer, found in zip(graph.layers, stats.layers, strict=False):
        largest = float(found.maximum.max())
        if largest <= 0:
            raise CalibrationError(
                f"Expected every layer to be active on some observation. Found that layer {layer.name!r} never "
                f"fires on these {stats.count}: its largest pre-activation is {largest:.3g}. Collect more varied "
                "observations; if they are, the layer is dead and the network ignores its input."
            )
