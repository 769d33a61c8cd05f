"""Leaky integrate-and-fire neurons, matched: every sum over time is weighted alike.

Most networks of the field are of `snntorch.Leaky` or Norse's LIF cells. With a soft reset such a neuron conserves
exponentially weighted current, sum_t beta^(T-t) (I_t - theta s_t) = V(T) - r, so that a conversion works where all
layers and the readout share one beta.
"""

from __future__ import annotations

from dataclasses import replace

from dqn2snn.dynamics.codings.leaky import CODING as LEAKY
from dqn2snn.errors import ArgumentError
from dqn2snn.plan import SpikingPlan, check_num_steps
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.plan.layer import BETA_BITS
from dqn2snn.recipes._assemble import placed
from dqn2snn.recipes._rate import rate_plan
from dqn2snn.tracing.calibration import ActivationStats


def leaky(
    graph: LayerGraph,
    stats: ActivationStats,
    *,
    num_steps: int = 32,
    beta: float = 0.95,
    threshold: str | float = "auto",
    fold: bool = True,
    grid: int | str | None = "auto",
) -> SpikingPlan:
    """Neurons that leak: `v <- r + beta (v - r) + I`, one spike a step, soft reset.

    Rest is r = V(0) = theta / 2, which rounds to the nearest spike as long as the neuron lives, where V(0) alone would
    be forgotten: it is a bias current of (1 - beta) theta / 2. The output integrates with the same leak, without a
    reset; its charge, divided by the sum of beta^j and averaged over the last half of the steps, gives the Q-values. A
    window of about 1 / (1 - beta) steps is remembered, which bounds the precision however many steps there are.

    It needs of the hardware: the leaky integrate-and-fire neuron that most chips have, and one analog first layer.

    Args:
        graph: The traced network.
        stats: Calibration; a percentile as threshold must be among those taken.
        num_steps: T, time steps of a decision.
        beta: What a membrane keeps from step to step, above 0 and below 1, rounded to a multiple of 1/256.
        threshold: See `rate`; "mse" at as many levels as the window has steps.
        fold: See `rate`.
        grid: See `dqn2snn.convert`.

    Returns:
        SpikingPlan: The spiking network.

    Raises:
        ArgumentError: If `num_steps`, `beta` or `threshold` is out of range.
        CalibrationError: If the percentile was not taken, or a hidden layer never fires.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> import dqn2snn
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> dqn2snn.convert(net, torch.rand(64, 4), recipe="leaky:beta=0.9").plan.layers[0].beta
        0.8984375
    """
    kept = _checked_beta(beta)
    plan = rate_plan(
        graph,
        stats,
        num_steps=num_steps,
        threshold=threshold,
        fold=fold,
        levels=max(1, min(check_num_steps(num_steps), round(1 / (1 - kept)))),
        recipe="leaky",
        reference="Diehl et al., IJCNN 2015; Bu et al., AAAI 2022",
        report={"beta": kept},
        beta=kept,
    )
    plan = replace(plan, output=replace(plan.output, beta=kept, duration=0), coding=LEAKY)
    return placed(plan, stats, grid)


def _checked_beta(beta: float) -> float:
    rounded = round(beta * 2**BETA_BITS) / 2**BETA_BITS if 0 < beta < 1 else 0.0
    if not 0 < rounded < 1:
        raise ArgumentError(
            f"Expected beta above 0 and below 1, at least 1/512 from both. Found {beta!r}. Use 0.95; neurons that do "
            "not leak are those of rate_if."
        )
    return rounded
