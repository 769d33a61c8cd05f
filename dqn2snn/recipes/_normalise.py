"""Weight normalisation: the step that all rate-coding recipes share.

With lambda_l the activation of layer l that is to fire at every step, and lambda_0 = 1,

    W_l <- W_l lambda_{l-1} / lambda_l,    b_l <- b_l / lambda_l,    threshold 1,

so that a firing rate r_l stands for the activation lambda_l r_l.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from dqn2snn._utils.host import on_host
from dqn2snn.errors import CalibrationError
from dqn2snn.plan import SpikingLayer, SpikingPlan, check_num_steps
from dqn2snn.plan.graph import AffineLayer, LayerGraph
from dqn2snn.plan.grid import on_grid
from dqn2snn.tracing.calibration import ActivationStats, check_percentile
from dqn2snn.tracing.calibration._stats import Quantity

_SMALLEST_HEAD_SCALE = 1 / 256
"""Smallest scale, in largest Q-values. A grid then still holds a thousand steps and more."""


@on_host()
def normalised_plan(
    graph: LayerGraph,
    stats: ActivationStats,
    *,
    num_steps: int,
    grid: int | str | None,
    recipe: str,
    reference: str,
    percentile: float = 100.0,
    of: Quantity = "activation",
    v_init: float = 0.0,
    shift: float = 0.0,
) -> SpikingPlan:
    """Make a plan whose activation scales are a percentile of each layer.

    Args:
        graph: The traced network.
        stats: Its calibration.
        num_steps: Time steps of a decision.
        grid: See `dqn2snn.convert`.
        recipe: Name of the calling recipe.
        reference: Its paper.
        percentile: p in (1, 100]; lambda of every hidden layer and of the head is the p-th percentile.
        of: Quantity whose percentile is that of the hidden layers; of the head it is the Q-values.
        v_init: Initial membranes of the hidden layers, in thresholds.
        shift: Added to their bias currents, in thresholds in all steps together.

    Returns:
        SpikingPlan: On the grid, unless `grid` is None.

    Raises:
        ArgumentError: If `percentile` is out of range.
        PlanError: If `num_steps` is not a positive whole number, or no grid is exact over so many.
        CalibrationError: If a hidden layer never fires, or its scale is not positive.
    """
    num_steps = check_num_steps(num_steps)
    percentile = check_percentile(percentile)
    hidden = [stats.percentile(layer, percentile, of) for layer in range(len(graph.layers))]
    scales = [*hidden, head_scale(stats, percentile)]
    _check_scales(graph, stats, scales, percentile)
    before = (1.0, *scales[:-1])
    layers = [
        _scaled(layer, incoming, outgoing)
        for layer, incoming, outgoing in zip(graph.all_layers, before, scales, strict=True)
    ]
    each_step = (
        shift / num_steps if shift else 0.0
    )  # a number of steps without a shift may be too large for a float
    plan = SpikingPlan(
        layers=tuple(_begun(layer, v_init, each_step) for layer in layers[:-1]),
        output=layers[-1],
        readout_scale=float(scales[-1]),
        num_steps=num_steps,
        recipe=recipe,
        reference=reference,
        report={
            "observations": stats.count,
            "percentile": percentile,
            "scales": {
                layer.name: float(scale) for layer, scale in zip(graph.all_layers, scales, strict=True)
            },
        },
    )
    return plan if grid is None else on_grid(plan, grid, stats.observation_magnitude)


def head_scale(stats: ActivationStats, percentile: float) -> float:
    """Choose a positive scale of the Q-values: their percentile, or their largest magnitude where that is too small.

    Dividing by a negative percentile, as the original code does, flips the sign of every Q-value. One that is
    positive but tiny, where nearly all Q-values are negative, makes currents of thousands of thresholds. The robust
    readout does not depend on the scale.
    """
    scale, head = stats.percentile(-1, percentile), stats.layers[-1]
    largest = max(abs(float(head.minimum.min())), abs(float(head.maximum.max())))
    if scale > largest * _SMALLEST_HEAD_SCALE:
        return scale
    return largest if largest > 0 else 1.0


def _scaled(layer: AffineLayer, incoming: float, outgoing: float) -> SpikingLayer:
    affine = layer.with_parameters(layer.weight * (incoming / outgoing), layer.bias / outgoing)
    zero = torch.zeros((), dtype=torch.float64)
    return SpikingLayer(affine, threshold=zero + 1.0, v_init=zero)


def _begun(layer: SpikingLayer, v_init: float, shift: float) -> SpikingLayer:
    affine = layer.affine.with_parameters(layer.affine.weight, layer.affine.bias + shift)
    return replace(layer, affine=affine, v_init=layer.v_init + v_init)


def check_active(graph: LayerGraph, stats: ActivationStats) -> None:
    """Refuse networks with a hidden layer that never fires.

    Raises:
        CalibrationError: If a hidden layer never fires.
    """
    for layer, found in zip(graph.layers, stats.layers, strict=False):
        largest = float(found.maximum.max())
        if largest <= 0:
            raise CalibrationError(
                f"Expected every layer to be active on some observation. Found that layer {layer.name!r} never "
                f"fires on these {stats.count}: its largest pre-activation is {largest:.3g}. Collect more varied "
                "observations; if they are, the layer is dead and the network ignores its input."
            )


def _check_scales(
    graph: LayerGraph, stats: ActivationStats, scales: Sequence[float], percentile: float
) -> None:
    check_active(graph, stats)
    for layer, found, scale in zip(graph.layers, stats.layers, scales, strict=False):
        if scale <= 0:
            raise CalibrationError(
                f"Expected a positive activation scale for layer {layer.name!r}. Found {scale:.3g} at percentile "
                f"{percentile:g}: only {found.active_fraction:.2%} of its pre-activations are above zero. "
                f"Use a percentile above {100 * (1 - found.active_fraction):.4g}."
            )
