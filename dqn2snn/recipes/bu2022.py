"""Bu et al., AAAI 2022: membranes that start at half the threshold.

Bu, Ding, Yu, Huang, "Optimized Potential Initialization for Low-latency Spiking Neural Networks", AAAI 2022,
arXiv 2202.01440.
"""

from __future__ import annotations

from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes._normalise import normalised_plan
from dqn2snn.tracing.calibration import ActivationStats


def bu2022(
    graph: LayerGraph,
    stats: ActivationStats,
    *,
    num_steps: int = 64,
    grid: int | str | None = "auto",
) -> SpikingPlan:
    """Normalisation by the largest activation, and V(0) = theta / 2.

    With what is left in the membrane uniform in [0, theta), the expected error of the rate,

        E[(theta N / T - I)^2] = E[(V(T) - V(0))^2] / T^2,

    is least for V(0) = theta / 2, where it is 0 on average. Everything else is as in `diehl2015`, soft reset and
    hardware included; it costs nothing but more spikes of neurons that were nearly silent, which in deep networks and
    at very few steps can do harm.

    Args:
        graph: The traced network.
        stats: Any calibration: the maximum is always taken.
        num_steps: T, time steps of a decision.
        grid: See `dqn2snn.convert`.

    Returns:
        SpikingPlan: The spiking network.

    Raises:
        ArgumentError: If `num_steps` is not positive.
        CalibrationError: If a hidden layer never fires.
    """
    return normalised_plan(
        graph,
        stats,
        num_steps=num_steps,
        grid=grid,
        recipe="bu2022",
        reference="Bu et al., AAAI 2022, arXiv 2202.01440",
        v_init=0.5,
    )
