"""Rate coding whose thresholds clip nothing that was seen in calibration."""

from __future__ import annotations

from dqn2snn import ActivationStats, LayerGraph, SpikingPlan
from dqn2snn.recipes import rate

__all__ = ["rate_max"]


def rate_max(
    graph: LayerGraph, stats: ActivationStats, *, num_steps: int = 32, grid: int | str | None = "auto"
) -> SpikingPlan:
    """`rate` with the largest activation of each channel as its threshold.

    Args:
        graph: The traced network.
        stats: Calibration.
        num_steps: T, time steps of a decision.
        grid: See `dqn2snn.convert`.

    Returns:
        SpikingPlan: The spiking network.
    """
    return rate(graph, stats, num_steps=num_steps, threshold="max", grid=grid)
