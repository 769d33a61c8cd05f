"""The plan that every recipe with thresholds of their own for each channel ends in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dqn2snn._utils.host import on_host
from dqn2snn.plan import SpikingLayer, SpikingPlan, check_num_steps
from dqn2snn.plan.graph import AffineLayer, LayerGraph
from dqn2snn.plan.grid import on_grid
from dqn2snn.recipes._balance import balanced
from dqn2snn.recipes._channels import scaled_affine, shared_where_mixed
from dqn2snn.recipes._normalise import check_active, head_scale
from dqn2snn.tracing.calibration import ActivationStats

V_INIT = 0.5
"""Initial membrane, in thresholds. It rounds to the nearest number of spikes instead of down (Bu et al. 2022)."""


@on_host()
def channel_plan(
    graph: LayerGraph,
    stats: ActivationStats,
    scales: Sequence[Tensor],
    *,
    num_steps: int,
    recipe: str,
    reference: str,
    spikes: int = 1,
    report: Mapping[str, Any] | None = None,
    **neuron: Any,
) -> SpikingPlan:
    """Make a plan in which each spike stands for q_l = lambda_l / spikes.

        W_l <- W_l diag(q_{l-1}) / q_l,    b_l <- b_l / q_l,    threshold 1,    V(0) = 1/2,

    and likewise, but with V(0) = 0, in the output, whose scale is the largest Q-value: its accumulator is exact.

    Args:
        graph: The traced network, baselines folded.
        stats: Its calibration.
        scales: lambda of the hidden layers, `[]`, `[C]` or one per neuron.
        num_steps: Time steps of a decision.
        recipe: Name of the calling recipe.
        reference: Its paper.
        spikes: Spikes that stand for a whole lambda, in a step, or as a level altogether.
        report: Entries of the plan's report beside the scales.
        **neuron: Fields of the hidden `SpikingLayer`s.

    Returns:
        SpikingPlan: A plan in raw numbers.

    Raises:
        PlanError: If `num_steps` is not a positive whole number.
        CalibrationError: If a hidden layer never fires.
    """
    num_steps = check_num_steps(num_steps)
    check_active(graph, stats)
    full = shared_where_mixed(graph, scales)
    head = torch.tensor(head_scale(stats, 100.0), dtype=torch.float64)
    hidden = [
        _neurons(scaled_affine(layer, before, now / spikes), V_INIT, **neuron)
        for layer, before, now in zip(
            graph.layers, [None, *(f / spikes for f in full[:-1])], full, strict=True
        )
    ]
    output = _neurons(scaled_affine(graph.head, full[-1] / spikes, head / spikes), 0.0)
    largest = {layer.name: float(scale.max()) for layer, scale in zip(graph.layers, full, strict=True)}
    return SpikingPlan(
        layers=tuple(hidden),
        output=output,
        readout_scale=float(head) / spikes,
        num_steps=num_steps,
        recipe=recipe,
        reference=reference,
        report={
            "observations": stats.count,
            **(report or {}),
            "scales": {**largest, graph.head.name: float(head)},
        },
    )


@on_host()
def placed(plan: SpikingPlan, stats: ActivationStats, grid: int | str | None) -> SpikingPlan:
    """Put a raw plan on its grid, with thresholds that make the most of it.

    Args:
        plan: In raw numbers.
        stats: The calibration that it was made with.
        grid: See `dqn2snn.convert`; None leaves the plan as it is.

    Returns:
        SpikingPlan: Ready to be simulated.

    Raises:
        ArgumentError: If `grid` is out of range.
        PlanError: If there is no such grid.
    """
    return plan if grid is None else on_grid(balanced(plan, grid), grid, stats.observation_magnitude)


def _neurons(affine: AffineLayer, v_init: float, **fields: Any) -> SpikingLayer:
    one = torch.ones((), dtype=torch.float64)
    return SpikingLayer(affine, threshold=one, v_init=v_init * one, **fields)
