"""Diehl et al., IJCNN 2015: normalisation by the largest activation.

Diehl, Neil, Binas, Cook, Liu, Pfeiffer, "Fast-classifying, high-accuracy spiking deep networks through weight
and threshold balancing", IJCNN 2015.
"""

from __future__ import annotations

from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes._normalise import normalised_plan
from dqn2snn.tracing.calibration import ActivationStats


def diehl2015(
    graph: LayerGraph,
    stats: ActivationStats,
    *,
    num_steps: int = 500,
    grid: int | str | None = "auto",
) -> SpikingPlan:
    """Data-based weight normalisation by the largest activation.

    The scale lambda_l is the largest activation that layer l shows on the calibration observations. Nothing is
    clipped on them, but one outlier slows a whole layer down. Diehl et al. reset to zero; here neurons are reset by
    subtraction, which loses no charge, and Q-values are read as in `tan2021`.

    Args:
        graph: The traced network.
        stats: Any calibration: the maximum is always taken.
        num_steps: Time steps of a decision.
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
        recipe="diehl2015",
        reference="Diehl et al., IJCNN 2015",
    )
