"""Digit coding: the activation of a neuron as a number of a few digits, the first of which comes first.

The membrane grows by beta each step, so that a spike at step t is worth beta^-t (Zhang et al. 2018, arXiv 1811.04233;
Kim et al., Neurocomputing 2018); spikes of both signs correct earlier ones (Gu et al. 2024, arXiv 2408.17245), as in
arithmetic that begins with the most significant digit (Ercegovac 1984).
"""

from __future__ import annotations

import math
from dataclasses import replace

from torch import Tensor

from dqn2snn.dynamics.codings.digits import CODING as DIGITS
from dqn2snn.errors import ArgumentError
from dqn2snn.plan import SpikingPlan, check_num_steps
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.plan.layer import BETA_BITS
from dqn2snn.recipes._assemble import channel_plan, placed
from dqn2snn.recipes._delays import Timing, best_timing
from dqn2snn.recipes._thresholds import channel_scales
from dqn2snn.recipes.burst import check_max_spikes
from dqn2snn.tracing.calibration import ActivationStats

_MARGINS = (1.0, 1.5)
"""Thresholds that are tried, in the least that reaches the largest activation and as much again."""


def digits(
    graph: LayerGraph,
    stats: ActivationStats,
    *,
    num_steps: int = 10,
    max_spikes: int = 3,
    base: float | None = None,
    margin: float | None = None,
    delays: str | None = None,
    grid: int | str | None = "auto",
) -> SpikingPlan:
    """Write each activation with few signed digits, the most significant first.

        v <- beta v + I;    s = clip(floor(v / theta + 1/2), -min(k, N), k);    N <- beta N + s;    v <- v - theta s,
        theta = lambda (1 - 1/beta) margin beta^delay.

    A spike of step t stands for theta beta^-t, so that the error falls as beta^-T instead of 1/T. Observation and
    biases enter at the first step only. A layer begins `delay` steps after the first one: until then it gathers digits
    of the layer before, as those that are still to come must not be more than what its own later digits can take back.
    The number of digits, the delays and the margin are those with which a sample of the calibration observations is
    decided best in `num_steps` steps, the delays included.

    It needs of the hardware: a membrane that is multiplied by beta (2 and 4 are shifts), spikes of both signs, graded
    up to k, and a counter in each neuron. Loihi 2 and FPGAs have these, Speck and Xylo have not.

    Args:
        graph: The traced network.
        stats: Calibration.
        num_steps: T, time steps of a decision, digits and delays together.
        max_spikes: k, largest digit.
        base: beta, up to k + 1, by default k + 1; a multiple of 1/256.
        margin: Headroom of thresholds above the largest activation; None to choose.
        delays: Of each hidden layer, such as "0-2-4"; None to choose.
        grid: See `dqn2snn.convert`.

    Returns:
        SpikingPlan: The spiking network.

    Raises:
        ArgumentError: If an argument is out of range.
        PlanError: If the delays leave no step for digits.
        CalibrationError: If a hidden layer never fires.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> import dqn2snn
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> states = torch.rand(64, 4)
        >>> snn = dqn2snn.convert(net, states, recipe="digits", num_steps=10)
        >>> bool((snn(states) - net(states)).abs().max() < 1e-3)
        True
    """
    steps, k = check_num_steps(num_steps), check_max_spikes(max_spikes)
    beta = _checked_base(k + 1 if base is None else base, k)
    margins = _checked_margins(margin, k)
    wanted = None if delays is None else _checked_delays(delays, len(graph.layers))
    scales = channel_scales(graph, stats, "max", levels=1)

    def plan(timing: Timing) -> SpikingPlan:
        return _plan(graph, stats, scales, timing, beta=beta, k=k, num_steps=steps)

    def finished(timing: Timing) -> SpikingPlan:
        return placed(plan(timing), stats, grid)

    return finished(best_timing(plan, finished, graph, stats.observations, steps, margins, wanted))


def _plan(
    graph: LayerGraph,
    stats: ActivationStats,
    scales: list[Tensor],
    timing: Timing,
    *,
    beta: float,
    k: int,
    num_steps: int,
) -> SpikingPlan:
    """The plan in raw numbers."""
    unit = (1 - 1 / beta) * timing.margin
    values = [scale * unit * beta**delay for scale, delay in zip(scales, timing.delays, strict=True)]
    made = channel_plan(
        graph,
        stats,
        values,
        num_steps=num_steps,
        recipe="digits",
        reference="Zhang et al. 2018, arXiv 1811.04233; Gu et al. 2024, arXiv 2408.17245",
        report={"base": beta, "max_spikes": k, "margin": timing.margin, "digits": timing.digits},
        max_spikes=k,
        signed=True,
        beta=beta,
    )
    hidden = (
        replace(layer, delay=delay, duration=timing.digits)
        for layer, delay in zip(made.layers, timing.delays, strict=True)
    )
    output = replace(made.output, beta=beta, duration=0)
    return replace(made, layers=tuple(hidden), output=output, coding=DIGITS)


def _checked_base(base: float, k: int) -> float:
    if not 1 < base <= k + 1 or base * 2**BETA_BITS % 1:
        raise ArgumentError(
            f"Expected a base above 1 and up to max_spikes + 1 = {k + 1}, with which every number can be spelt, a "
            f"multiple of 1/{2**BETA_BITS}. Found {base!r}. Use {k + 1}."
        )
    return float(base)


def _checked_margins(margin: float | None, k: int) -> tuple[float, ...]:
    if margin is None:  # k digits reach k margin lambda: twice what was seen, at least
        return tuple(max(1.0, 2 / k) * factor for factor in _MARGINS)
    if not 0 < margin < math.inf:
        raise ArgumentError(f"Expected a margin above 0. Found {margin!r}. Use 2.")
    return (float(margin),)


def _checked_delays(delays: str, count: int) -> tuple[int, ...]:
    parts = str(delays).split("-")
    found = tuple(int(part) for part in parts if part.isdecimal())
    if len(found) != len(parts) or len(found) != count or found != tuple(sorted(found)):
        example = "-".join(str(2 * i) for i in range(count))
        raise ArgumentError(
            f"Expected delays of the {count} hidden layers, whole steps that do not shrink, such as {example!r}. "
            f"Found {delays!r}. Leave them out to have them chosen."
        )
    return found
