"""Latency coding: one spike per neuron, whose time carries the activation.

After Stanojevic et al., "An Exact Mapping from ReLU Networks to Spiking Neural Networks", Neural Networks 2023, arXiv
2212.12522, and Park et al., "T2FSNN", DAC 2020, arXiv 2003.11741; here in whole time steps.
"""

from __future__ import annotations

from dataclasses import replace

from dqn2snn.dynamics.codings.latency import CODING as LATENCY
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes._assemble import placed
from dqn2snn.recipes._rate import rate_plan
from dqn2snn.tracing.calibration import ActivationStats


def ttfs(
    graph: LayerGraph,
    stats: ActivationStats,
    *,
    num_steps: int = 32,
    threshold: str | float = "auto",
    fold: bool = True,
    grid: int | str | None = "auto",
) -> SpikingPlan:
    """A large activation fires early, a small one late, and none twice.

    In its window of T steps a neuron of level n out of T fires at step T - n. From then on each of its
    synapses passes its weight as a current, which makes W n by the end of the window, when the window of the next layer
    begins:

        n_l = clip(floor(V(0) + W_l n_{l-1} + T b_l), 0, T),    V(0) = 1/2.

    That is exactly the network with its activations rounded to T levels, whatever its depth: nothing is uneven. The
    output reads its charge when the last window ends.

    It needs of the hardware: a timer in each neuron, synapses that stay open, windows in step, and one analog first
    layer. It costs at most one spike per neuron, the least of all recipes, and T steps for each hidden layer one after
    the other. The engines "reference" and "torch" run it.

    Args:
        graph: The traced network.
        stats: Calibration; a percentile as threshold must be among those taken.
        num_steps: T, time steps of a window.
        threshold: See `rate`.
        fold: See `rate`.
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
        recipe="ttfs",
        reference="after Stanojevic et al., Neural Networks 2023, arXiv 2212.12522",
    )
    return placed(replace(plan, coding=LATENCY), stats, grid)
