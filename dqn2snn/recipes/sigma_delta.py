"""Sigma-delta coding: neurons send the changes of a quantised activation and remember it between decisions.

After O'Connor and Welling, "Sigma Delta Quantized Networks", ICLR 2017, arXiv 1611.02024; Brehove et al., arXiv
2505.06417 (sigma-delta networks on Loihi 2); and You et al., "SpikeZIP-TF", ICML 2024, arXiv 2406.03470, whose ST-BIF
neuron, with its tracer of spikes sent so far, is the one here.
"""

from __future__ import annotations

import math
from dataclasses import replace

from dqn2snn.dynamics.codings.delta import CODING as DELTA
from dqn2snn.errors import ArgumentError
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes._assemble import placed
from dqn2snn.recipes._rate import rate_plan
from dqn2snn.recipes.burst import check_max_spikes
from dqn2snn.tracing.calibration import ActivationStats


def sigma_delta(
    graph: LayerGraph,
    stats: ActivationStats,
    *,
    num_steps: int = 4,
    levels: int = 32,
    max_spikes: int = 8,
    threshold: str | float = "max",
    fold: bool = True,
    warmup_steps: int | None = None,
    grid: int | str | None = "auto",
) -> SpikingPlan:
    """Send by how many of L levels an activation has changed, in signed spikes.

    A neuron keeps its membrane and N, the level that it has sent, from one decision to the next. The observation
    enters as a difference, once:

        v <- v + W (x_k - x_{k-1})   or   v <- v + W s;    s = clip(floor(v), -min(k, N), min(k, L - N)),

    in units of the quantum lambda / L. Biases are there from the start, V(0) = 1/2 + b. A network that has been given
    the time to settle is the one with its activations rounded to L levels, exactly and for ever, since on the grid
    nothing drifts; where the observation does not change, it is silent.

    It needs of the hardware: spikes of both signs that carry a number up to k (k = 1: none), a counter in each
    neuron, membranes that are kept between decisions. It costs the least of all recipes where observations change
    little: fractions of a spike per neuron and decision. Changes larger than k T levels take more than one decision to
    be sent. Episodes have to be kept apart: see `SpikingQNetwork.step`.

    Args:
        graph: The traced network.
        stats: Calibration; a percentile as threshold must be among those taken.
        num_steps: T, time steps of a decision.
        levels: L.
        max_spikes: k, spikes of a neuron in one step at most, up to 127.
        threshold: Level L of each channel: see `rate`; "mse" at L levels. "max" clips nothing: an error made
            here stays as long as the observation does.
        fold: See `rate`.
        warmup_steps: Additional steps of the first decision of an episode; by default twice what L levels take and two
            for each layer.
        grid: See `dqn2snn.convert`.

    Returns:
        SpikingPlan: The spiking network.

    Raises:
        ArgumentError: If an argument is out of range.
        CalibrationError: If the percentile was not taken, or a hidden layer never fires.
    """
    k = check_max_spikes(max_spikes)
    if isinstance(levels, bool) or not isinstance(levels, int) or levels < 1:
        raise ArgumentError(f"Expected a positive whole number of levels. Found {levels!r}. Use 32.")
    plan = rate_plan(
        graph,
        stats,
        num_steps=num_steps,
        threshold=threshold,
        fold=fold,
        levels=levels,
        spikes=levels,
        recipe="sigma_delta",
        reference="Brehove et al., arXiv 2505.06417; You et al., ICML 2024, arXiv 2406.03470",
        report={"levels": levels, "max_spikes": k},
        signed=True,
        max_spikes=k,
        max_count=levels,
    )
    settled = 2 * math.ceil(levels / k) + 2 * len(plan.all_layers)
    first, *others = plan.layers
    plan = replace(
        plan,
        coding=DELTA,
        layers=(first, *map(_bias_at_start, others)),
        output=_bias_at_start(plan.output),
        warmup_steps=settled if warmup_steps is None else warmup_steps,
    )
    return placed(plan, stats, grid)


def _bias_at_start(layer: SpikingLayer) -> SpikingLayer:
    """A bias is a level that never changes."""
    affine = layer.affine
    return replace(
        layer,
        affine=affine.with_parameters(affine.weight, 0 * affine.bias),
        v_init=layer.v_init + affine.bias,
    )
