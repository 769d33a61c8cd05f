"""The plan of recipes that count spikes, with thresholds of each channel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

from dqn2snn.errors import ArgumentError
from dqn2snn.plan import ReadoutKind, SpikingPlan, check_num_steps
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes._assemble import channel_plan
from dqn2snn.recipes._baseline import baselines, folded
from dqn2snn.recipes._thresholds import channel_scales, check_threshold
from dqn2snn.tracing.calibration import ActivationStats


def rate_plan(
    graph: LayerGraph,
    stats: ActivationStats,
    *,
    num_steps: int,
    threshold: str | float,
    fold: bool,
    levels: int | None = None,
    spikes: int = 1,
    readout: ReadoutKind = "rate",
    report: dict[str, Any] | None = None,
    **rest: Any,
) -> SpikingPlan:
    """Fold baselines, choose the thresholds of each channel, assemble.

    Args:
        graph: The traced network.
        stats: Its calibration.
        num_steps: Time steps of a decision.
        threshold: "auto", "mse", "max", or a percentile.
        fold: Whether baselines go into the biases.
        levels: Positive values that a neuron can send; by default, spikes times steps.
        spikes: See `channel_plan`.
        readout: Quantity from which Q-values are read.
        report: See `channel_plan`.
        **rest: See `channel_plan`.

    Returns:
        SpikingPlan: A plan in raw numbers.

    Raises:
        ArgumentError: If `threshold` or `readout` is out of range.
    """
    num_steps, threshold = check_num_steps(num_steps), check_threshold(threshold)
    if readout not in get_args(ReadoutKind):
        raise ArgumentError(f'Expected readout="slope" or "rate". Found {readout!r}. Use "slope".')
    levels = num_steps * spikes if levels is None else levels
    m = baselines(stats, fold=fold)
    graph = folded(graph, m)
    scales = channel_scales(graph, stats, threshold, levels=levels, baselines=m)
    details = {"threshold": threshold, "folded": sum(int((each > 0).sum()) for each in m), **(report or {})}
    plan = channel_plan(graph, stats, scales, num_steps=num_steps, spikes=spikes, report=details, **rest)
    return replace(plan, readout=readout)
