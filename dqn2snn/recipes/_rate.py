"""What the recipes that count spikes with thresholds of each channel have in common."""

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

__all__ = ["check_readout", "rate_plan"]


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
        levels: Values above zero that a neuron can tell; by default, spikes times steps.
        spikes: That tell a whole lambda: in a step, or of a level altogether.
        readout: How Q-values are read.
        report: What the recipe has to say.
        **rest: See `channel_plan`.

    Returns:
        SpikingPlan: In raw numbers.
    """
    num_steps, threshold = check_num_steps(num_steps), check_threshold(threshold)
    levels = num_steps * spikes if levels is None else levels
    m = baselines(stats, fold=fold)
    graph = folded(graph, m)
    scales = channel_scales(graph, stats, threshold, levels=levels, baselines=m)
    said = {"threshold": threshold, "folded": sum(int((each > 0).sum()) for each in m), **(report or {})}
    plan = channel_plan(graph, stats, scales, num_steps=num_steps, spikes=spikes, report=said, **rest)
    return replace(plan, readout=readout)


def check_readout(readout: ReadoutKind) -> ReadoutKind:
    """The kind of readout itself.

    Raises:
        ArgumentError: If there is none of this name.
    """
    if readout not in get_args(ReadoutKind):
        raise ArgumentError(f'Expected readout="slope" or "rate". Found {readout!r}. Use "slope".')
    return readout
