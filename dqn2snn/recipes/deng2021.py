"""Deng and Gu, ICLR 2021: half a threshold more current, spread over the steps.

Deng, Gu, "Optimal Conversion of Conventional Artificial Neural Networks to Spiking Neural Networks", ICLR 2021,
arXiv 2103.00476.
"""

from __future__ import annotations

from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes._normalise import normalised_plan
from dqn2snn.tracing.calibration import ActivationStats


def deng2021(
    graph: LayerGraph,
    stats: ActivationStats,
    *,
    num_steps: int = 128,
    grid: int | str | None = "auto",
) -> SpikingPlan:
    """Normalisation by the largest activation, and a bias that undoes rounding down.

    A neuron that fires floor(T I / theta) times is short of half a spike on average. Deng and Gu add that in T steps:

        I[t] = W s[t] + b + theta / (2 T).

    After T steps it is what V(0) = theta / 2 does (`bu2022`), but before that it is less, and it is made for one T. The
    authors train the network with a clipped ReLU; here it stays as it is, and the threshold is the largest activation
    of the layer. Soft reset and readout as in `tan2021`, which needs the same hardware.

    Args:
        graph: The traced network.
        stats: Any calibration: the maximum is always taken.
        num_steps: T, time steps of a decision, which the shift is made for.
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
        recipe="deng2021",
        reference="Deng and Gu, ICLR 2021, arXiv 2103.00476",
        shift=0.5,
    )
