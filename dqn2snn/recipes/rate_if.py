"""Rate coding for hardware without negative spikes: `rate` with the plain integrate-and-fire neuron.

After Li et al., ICML 2021, arXiv 2106.06984 (thresholds), and Bu et al., AAAI 2022, arXiv 2202.01440 (membranes).
"""

from __future__ import annotations

from dqn2snn.plan import ReadoutKind, SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes._assemble import placed
from dqn2snn.recipes._rate import rate_plan
from dqn2snn.tracing.calibration import ActivationStats


def rate_if(
    graph: LayerGraph,
    stats: ActivationStats,
    *,
    num_steps: int = 64,
    threshold: str | float = "auto",
    fold: bool = True,
    readout: ReadoutKind = "slope",
    grid: int | str | None = "auto",
) -> SpikingPlan:
    """One spike a step, never taken back.

    As `rate`, thresholds, baselines and initial membranes included; but a neuron that has fired too early, because
    excitation came before inhibition, cannot take the spike back. In deep networks that error is the largest.

    It needs of the hardware soft reset and one analog first layer, like `tan2021`. It costs fewer spikes than `rate`
    at the same T, and more steps for the same decisions.

    Args:
        graph: The traced network.
        stats: Calibration; a percentile as threshold must be among those taken.
        num_steps: T, time steps of a decision.
        threshold: See `rate`.
        fold: See `rate`.
        readout: See `rate`.
        grid: See `dqn2snn.convert`.

    Returns:
        SpikingPlan: The spiking network.

    Raises:
        ArgumentError: If `num_steps` or `threshold` is out of range.
        CalibrationError: If the percentile was not taken, or a hidden layer never fires.
    """
    plan = rate_plan(
        graph,
        stats,
        num_steps=num_steps,
        threshold=threshold,
        fold=fold,
        readout=readout,
        recipe="rate_if",
        reference="Li et al., ICML 2021; Bu et al., AAAI 2022",
    )
    return placed(plan, stats, grid)
