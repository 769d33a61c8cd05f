"""Rueckauer et al., Frontiers in Neuroscience 2017: normalisation by a percentile of the activations.

Rueckauer, Lungu, Hu, Pfeiffer, Liu, "Conversion of Continuous-Valued Deep Networks to Efficient Event-Driven
Networks for Image Classification", Frontiers in Neuroscience 2017.
"""

from __future__ import annotations

from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes._normalise import normalised_plan
from dqn2snn.tracing.calibration import ActivationStats


def rueckauer2017(
    graph: LayerGraph,
    stats: ActivationStats,
    *,
    num_steps: int = 500,
    percentile: float = 99.9,
    grid: int | str | None = "auto",
) -> SpikingPlan:
    """Robust normalisation by a percentile of the ReLU outputs.

    The scale lambda_l is the p-th percentile of max(0, z_l), zeros included. Where less than a share p of a
    layer is inactive this is the percentile of the pre-activations, and hidden layers come out as in `tan2021`;
    the authors' toolbox leaves the zeros out, which at the same p clips less. Soft reset and readout as there.

    Args:
        graph: The traced network.
        stats: Calibration that took `percentile`.
        num_steps: Time steps of a decision.
        percentile: p, in (1, 100].
        grid: See `dqn2snn.convert`.

    Returns:
        SpikingPlan: The spiking network.

    Raises:
        ArgumentError: If `num_steps` or `percentile` is out of range.
        CalibrationError: If the percentile was not taken, or gives a hidden layer no positive scale.
    """
    return normalised_plan(
        graph,
        stats,
        num_steps=num_steps,
        grid=grid,
        recipe="rueckauer2017",
        reference="Rueckauer et al., Frontiers in Neuroscience 2017",
        percentile=percentile,
    )
