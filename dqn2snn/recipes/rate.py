"""Rate coding in few steps: thresholds of each channel, half-threshold membranes, spikes that take spikes back."""

from __future__ import annotations

from dqn2snn.calibration import ActivationStats
from dqn2snn.graph import LayerGraph
from dqn2snn.plan import SpikingPlan
from dqn2snn.recipes._assemble import channel_plan, check_active, placed
from dqn2snn.recipes._normalise import head_scale
from dqn2snn.recipes._thresholds import channel_scales

__all__ = ["rate"]

REFERENCE = "dqn2snn; after Bu et al., AAAI 2022, arXiv 2202.01440, and Wang et al., IJCAI 2022"


def rate(
    graph: LayerGraph,
    stats: ActivationStats,
    *,
    num_steps: int = 32,
    threshold: str | float = "auto",
    grid: int | str | None = "auto",
) -> SpikingPlan:
    """One signed spike a step.

    Args:
        graph: The traced network.
        stats: Calibration.
        num_steps: Time steps of a decision.
        threshold: "auto", "max", or a percentile of each channel's activations.
        grid: See `dqn2snn.convert`.

    Returns:
        SpikingPlan: The spiking network.
    """
    check_active(graph, stats)
    scales = channel_scales(graph, stats, threshold, levels=num_steps)
    plan = channel_plan(
        graph,
        stats,
        scales,
        head_scale(stats, 100.0),
        num_steps=num_steps,
        recipe="rate",
        reference=REFERENCE,
        report={"threshold": threshold},
        signed=True,
    )
    return placed(plan, stats, grid)
