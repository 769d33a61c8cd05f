"""Rate coding in few steps: the default recipe.

After Li et al., ICML 2021, arXiv 2106.06984 (thresholds); Bu et al., AAAI 2022, arXiv 2202.01440 (initial membranes);
and Wang et al., "Signed Neuron with Memory", IJCAI 2022.
"""

from __future__ import annotations

from dqn2snn.plan import ReadoutKind, SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes._assemble import placed
from dqn2snn.recipes._rate import rate_plan
from dqn2snn.tracing.calibration import ActivationStats


def rate(
    graph: LayerGraph,
    stats: ActivationStats,
    *,
    num_steps: int = 32,
    threshold: str | float = "auto",
    fold: bool = True,
    readout: ReadoutKind = "slope",
    grid: int | str | None = "auto",
) -> SpikingPlan:
    """One spike a step, of either sign.

    What is left of the membrane is all that a rate code loses:

        theta N(T) / T = mean current - (V(T) - V(0)) / T.

    A threshold for each channel makes theta small where activations are; V(0) = theta / 2 turns rounding down
    into rounding to the nearest; and a neuron whose membrane falls below zero takes a spike back, so that what arrived
    unevenly does no harm: after T steps the counts are those of the network with its activations rounded to T levels.
    A baseline below which an activation never falls takes no spikes at all. Q-values are read from the slope of
    the output's charge, whose error falls with T^1.5 instead of T (`dqn2snn.readout.RobustSlope`).

    It needs of the hardware: soft reset, spikes of both signs and a counter in each neuron (`rate_if` does without),
    and one analog first layer. It costs as many spikes as the activations call for, and those that are taken back.

    Args:
        graph: The traced network.
        stats: Calibration; a percentile as threshold must be among those taken.
        num_steps: T, time steps of a decision.
        threshold: The scale of each channel: "mse", least squared rounding error at T steps; "max", its largest
            activation; a percentile of its activations, zeros included; "auto" is "mse".
        fold: Whether baselines go into the biases.
        readout: "slope" of the output's charge over time, or its mean "rate".
        grid: See `dqn2snn.convert`.

    Returns:
        SpikingPlan: The spiking network.

    Raises:
        ArgumentError: If `num_steps`, `threshold` or `readout` is out of range.
        CalibrationError: If the percentile was not taken, or a hidden layer never fires.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> import dqn2snn
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> snn = dqn2snn.convert(net, torch.rand(64, 4), recipe="rate", num_steps=16)
        >>> snn.plan.layers[0].signed, float(snn.plan.layers[0].v_init)
        (True, 0.5)
    """
    plan = rate_plan(
        graph,
        stats,
        num_steps=num_steps,
        threshold=threshold,
        fold=fold,
        readout=readout,
        recipe="rate",
        reference="Li et al., ICML 2021; Bu et al., AAAI 2022; Wang et al., IJCAI 2022",
        signed=True,
    )
    return placed(plan, stats, grid)
