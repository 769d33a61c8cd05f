"""Sigma-delta coding: neurons send the changes of a quantised activation, and remember it between decisions."""

from __future__ import annotations

import math
from dataclasses import replace

from dqn2snn.calibration import ActivationStats
from dqn2snn.graph import LayerGraph
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.recipes._assemble import channel_plan, check_active, placed
from dqn2snn.recipes._normalise import head_scale
from dqn2snn.recipes._thresholds import channel_scales

__all__ = ["sigma_delta"]


def sigma_delta(
    graph: LayerGraph,
    stats: ActivationStats,
    *,
    num_steps: int = 4,
    levels: int = 64,
    max_spikes: int = 8,
    threshold: str | float = "auto",
    warmup_steps: int | None = None,
    grid: int | str | None = "auto",
) -> SpikingPlan:
    """Signed spikes that say by how many of L levels an activation has changed.

    Args:
        graph: The traced network.
        stats: Calibration.
        num_steps: Time steps of a decision.
        levels: L.
        max_spikes: k, at most in one step.
        threshold: "auto", "max", or a percentile of each channel's activations: level L.
        warmup_steps: Additional steps of the first decision of an episode; by default, enough to settle.
        grid: See `dqn2snn.convert`.

    Returns:
        SpikingPlan: The spiking network.
    """
    check_active(graph, stats)
    scales = [scale / levels for scale in channel_scales(graph, stats, threshold, levels=levels)]
    plan = channel_plan(
        graph,
        stats,
        scales,
        head_scale(stats, 100.0) / levels,
        num_steps=num_steps,
        recipe="sigma_delta",
        reference="after ST-BIF neurons and sigma-delta networks (Brehove et al., arXiv 2505.06417)",
        report={"threshold": threshold, "levels": levels},
        signed=True,
        max_spikes=max_spikes,
        max_count=levels,
    )
    settle = 2 * math.ceil(levels / max_spikes) + 2 * len(graph.all_layers)
    first, *others = plan.layers
    delta = replace(
        plan,
        coding="delta",
        layers=(first, *map(_bias_at_start, others)),
        output=_bias_at_start(plan.output),
        warmup_steps=settle if warmup_steps is None else warmup_steps,
    )
    return placed(delta, stats, grid)


def _bias_at_start(layer: SpikingLayer) -> SpikingLayer:
    """A constant bias is a level that never changes: it is there from the beginning."""
    affine = layer.affine
    return replace(
        layer,
        affine=affine.with_parameters(affine.weight, 0 * affine.bias),
        v_init=layer.v_init + affine.bias,
    )
