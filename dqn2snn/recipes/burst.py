"""Burst coding: several spikes a step, each worth less.

Group neurons and burst spikes: Li and Zeng, "Efficient and Accurate Conversion of Spiking Neural Network with Burst
Spikes", IJCAI 2022, arXiv 2204.13271; Lv et al., arXiv 2402.19061.
"""

from __future__ import annotations

from dqn2snn.errors import ArgumentError
from dqn2snn.plan import ReadoutKind, SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes._assemble import placed
from dqn2snn.recipes._rate import rate_plan
from dqn2snn.tracing.calibration import ActivationStats

MOST_SPIKES = 127
"""Largest spike count that eight bits hold, with its sign."""


def burst(
    graph: LayerGraph,
    stats: ActivationStats,
    *,
    num_steps: int = 8,
    max_spikes: int = 8,
    threshold: str | float = "auto",
    fold: bool = True,
    readout: ReadoutKind = "slope",
    signed: bool = True,
    grid: int | str | None = "auto",
) -> SpikingPlan:
    """Up to k spikes a step, a k-th of the scale each.

        s = clip(floor(v / theta), -min(k, N), k),    theta = lambda / k.

    T steps of it have the resolution of k T steps of single spikes, and less unevenness.

    It needs of the hardware what `rate` does, and spikes that carry a number (Loihi 2 and SpiNNaker 2 have them), or k
    times as fast a clock between steps. It costs about as many spikes as `rate` with k T steps, in fewer messages.

    Args:
        graph: The traced network.
        stats: Calibration; a percentile as threshold must be among those taken.
        num_steps: T, time steps of a decision.
        max_spikes: k, spikes of a neuron in one step at most, up to 127.
        threshold: See `rate`; "mse" at k T levels.
        fold: See `rate`.
        readout: See `rate`.
        signed: Whether neurons take spikes back.
        grid: See `dqn2snn.convert`.

    Returns:
        SpikingPlan: The spiking network.

    Raises:
        ArgumentError: If `num_steps`, `max_spikes` or `threshold` is out of range.
        CalibrationError: If the percentile was not taken, or a hidden layer never fires.
    """
    k = check_max_spikes(max_spikes)
    plan = rate_plan(
        graph,
        stats,
        num_steps=num_steps,
        threshold=threshold,
        fold=fold,
        readout=readout,
        spikes=k,
        recipe="burst",
        reference="Li and Zeng, IJCAI 2022, arXiv 2204.13271",
        report={"max_spikes": k},
        max_spikes=k,
        signed=signed,
    )
    return placed(plan, stats, grid)


def check_max_spikes(max_spikes: int) -> int:
    """Check a number of spikes in a step, and return it.

    Raises:
        ArgumentError: If it is not a whole number from 1 to 127.
    """
    if isinstance(max_spikes, bool) or not isinstance(max_spikes, int) or not 1 <= max_spikes <= MOST_SPIKES:
        raise ArgumentError(
            f"Expected max_spikes from 1 to {MOST_SPIKES}, whole. Found {max_spikes!r}. Use 8."
        )
    return max_spikes
