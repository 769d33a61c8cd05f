"""Xu et al., ICML 2026: the residual membrane is carried to the next decision.

Xu et al., ICML 2026, arXiv 2601.21778, where it is called CRPI.
"""

from __future__ import annotations

from dataclasses import replace

from dqn2snn.errors import ArgumentError
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes._assemble import placed
from dqn2snn.recipes._rate import rate_plan
from dqn2snn.tracing.calibration import ActivationStats


def xu2026(
    graph: LayerGraph,
    stats: ActivationStats,
    *,
    num_steps: int = 32,
    carry: float = 0.5,
    grid: int | str | None = "auto",
) -> SpikingPlan:
    """Integrate-and-fire neurons that start a decision with a part of what the last one left.

    Errors of successive decisions are alike, because observations are, and drive an episode where the agent would
    not have gone. With r = max(V(T) - V(0), -theta N(T)) of the decision before, the next begins from

        V(0) = theta / 2 + clip(alpha r, -theta / 2, theta / 2),

    so that the next decision makes up for it. Thresholds are the largest activation of each channel, and the output
    accumulates. The authors tune alpha for each task by return, from {0, 0.1, ..., 1}; on the grid it is a multiple of
    1/16, and 0.5 is nothing but a start.

    It needs of the hardware what `rate_if` does, and membranes that are kept between decisions. It costs nothing.
    Episodes have to be kept apart: see `SpikingQNetwork.step`.

    Args:
        graph: The traced network.
        stats: Any calibration: the maximum is always taken.
        num_steps: T, time steps of a decision.
        carry: alpha, from 0 to 1, rounded to a multiple of 1/16.
        grid: See `dqn2snn.convert`.

    Returns:
        SpikingPlan: The spiking network.

    Raises:
        ArgumentError: If `num_steps` is not positive or `carry` not in [0, 1].
        CalibrationError: If a hidden layer never fires.
    """
    if isinstance(carry, bool) or not isinstance(carry, (int, float)) or not 0 <= carry <= 1:
        raise ArgumentError(f"Expected carry from 0 to 1. Found {carry!r}. Use 0.5.")
    alpha = round(16 * carry) / 16
    plan = rate_plan(
        graph,
        stats,
        num_steps=num_steps,
        threshold="max",
        fold=False,
        recipe="xu2026",
        reference="Xu et al., ICML 2026, arXiv 2601.21778",
        report={"carry": alpha},
    )
    return placed(replace(plan, carry=alpha), stats, grid)
