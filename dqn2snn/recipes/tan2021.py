"""Tan et al., AAAI 2021: the seed paper on converting deep Q-networks.

Tan, Patel, Kozma, "Strategy and Benchmark for Converting Deep Q-Networks to Event-Driven Spiking Neural
Networks", AAAI 2021, arXiv 2009.14456.
"""

from __future__ import annotations

from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes._normalise import normalised_plan
from dqn2snn.tracing.calibration import ActivationStats


def tan2021(
    graph: LayerGraph,
    stats: ActivationStats,
    *,
    num_steps: int = 500,
    percentile: float = 99.9,
    grid: int | str | None = "auto",
) -> SpikingPlan:
    """The seed paper's rule.

    The scale lambda_l is the p-th percentile of *all pre-activations* of layer l, zeros and negatives included,
    one number per layer, and the head is scaled like every other layer. Neurons start at V(0) = 0, are reset by
    subtraction and receive the observation as a constant current. The head's firing rates are read together with
    the membrane that is left (`RobustRate`), which makes the readout exact.

    It needs soft reset and one analog first layer of the hardware, and hundreds of steps: what lies above the
    percentile is clipped for ever, and a layer that is active rarely has a threshold that is seldom reached.

    Args:
        graph: The traced network.
        stats: Calibration that took `percentile`.
        num_steps: Time steps of a decision; the paper uses 500.
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
        recipe="tan2021",
        reference="Tan, Patel, Kozma, AAAI 2021, arXiv 2009.14456",
        percentile=percentile,
        of="preactivation",
    )
