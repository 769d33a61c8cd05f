"""The activation for which a spike stands, found from a plan and the network that it was made of.

Recipes fold scales and baselines into weights and biases. With s_l the activation that a firing rate of one stands for
and m_l the part of an activation that is always there and was moved into the next bias,

    W'_l = W_l diag(s_{l-1}) / s_l,    b'_l = (b_l + W_l m_{l-1} - m_l) / s_l,

so s and m follow from the plan and the network, layer by layer. In "delta" coding s is the activation of one spike, and
the bias is found in the initial membrane, where half a threshold is added to it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from dqn2snn._utils.host import on_host
from dqn2snn.errors import PlanError
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.plan.graph import AffineLayer, LayerGraph, per_channel
from dqn2snn.plan.ops import run

_PROBES = 4
_TOLERANCE = 1e-6


class Scale(NamedTuple):
    """Affine map from the firing rates of one hidden layer to activations.

    Attributes:
        scale: s, shaped to broadcast over `[B, *shape]`; infinite for neurons that a recipe has cut off.
        baseline: m, likewise.
    """

    scale: Tensor
    baseline: Tensor

    def current(self, preactivation: Tensor) -> Tensor:
        """The mean current, in thresholds, that stands for pre-activations `[B, *shape]`."""
        return (preactivation - self.baseline.to(preactivation)) / self.scale.to(preactivation)

    def rate(self, preactivation: Tensor) -> Tensor:
        """The firing rate, or the level, that stands for `relu(z)`."""
        return self.current(preactivation).relu()


@on_host()
def scales_of(plan: SpikingPlan, graph: LayerGraph) -> tuple[Scale, ...]:
    """Find scale and baseline of every hidden layer.

    Args:
        plan: A plan in raw numbers.
        graph: The network that the plan was made of.

    Returns:
        tuple[Scale, ...]: One for each hidden layer.

    Raises:
        PlanError: If the plan's weights are not those of the graph, scaled per channel, or its biases have been
            corrected already.

    Example:
        >>> from torch import nn
        >>> import dqn2snn
        >>> from dqn2snn.tracing import trace
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> plan = dqn2snn.convert(net, torch.rand(64, 4), num_steps=16, grid=None, recipe="tan2021").plan
        >>> (first,) = scales_of(plan, trace(net, (4,)))
        >>> bool(torch.allclose(first.scale, torch.tensor(plan.report["scales"]["0"]).double()))
        True
    """
    check_correctable(plan, graph)
    _check_biases(plan)
    before = Scale(torch.ones((), dtype=torch.float64), torch.zeros((), dtype=torch.float64))
    found = []
    for made, given in zip(plan.layers, graph.layers, strict=True):
        before = _scale(made, given, before, at_start=plan.coding.once)
        found.append(before)
    return tuple(found)


def check_correctable(plan: SpikingPlan, graph: LayerGraph) -> None:
    """Refuse the graph of another network, and plans that corrections do not understand.

    Raises:
        PlanError: If the two differ in their layers, or the plan is on a grid or codes by latency.
    """
    if plan.on_grid:
        raise PlanError(
            "Expected a plan in raw numbers. Found one on a grid. Convert with grid=None, correct it, and put the "
            "result on the grid with dqn2snn.plan.grid.on_grid."
        )
    if not plan.coding.counted:
        raise PlanError(
            f"Expected spikes that are counted. Found {plan.coding} coding. Leave corrections out."
        )
    found = [plan.input_shape, *(layer.shape for layer in plan.all_layers)]
    expected = [graph.input_shape, *(layer.out_shape for layer in graph.all_layers)]
    if found != expected:
        raise PlanError(
            f"Expected a plan of this network, of shapes {expected}. Found {found}. Pass the graph of the network that "
            "was converted."
        )


def _check_biases(plan: SpikingPlan) -> None:
    moved = {"light", "ridge_all", *(("potential",) if plan.coding.once else ())}
    before = moved.intersection(step.split(":")[0] for step in plan.recipe.split("+"))
    if before:
        raise PlanError(
            f"Expected biases as the recipe made them. Found that {' and '.join(sorted(before))} has corrected them. "
            "Correct step biases and membranes first, then biases or hidden weights, once, and the readout last."
        )


def _scale(made: SpikingLayer, given: AffineLayer, before: Scale, *, at_start: bool) -> Scale:
    """The scale from what the linear parts make of the same random inputs, the baseline from the biases."""
    shape, threshold = made.shape, per_channel(made.threshold, made.shape)
    generator = torch.Generator().manual_seed(0)
    probes = torch.randn(_PROBES, *made.affine.in_shape, generator=generator, dtype=torch.float64)
    sent = run(made.affine.ops, probes) / threshold
    meant = run(given.ops, probes * _arriving(before.scale, made.affine.in_shape))
    scale = per_channel(_ratio(meant, sent), shape)
    off = torch.where(torch.isfinite(scale), scale * sent - meant, 0.0)
    if float(off.abs().max()) > _TOLERANCE * float(meant.abs().max()):
        raise PlanError(
            f"Expected the weights of layer {made.name!r} to be those of the network, scaled per channel. Found "
            "others. Correct biases and membranes before weights, and fine-tuned plans by ridge only."
        )
    inflow = run(given.ops, _arriving(before.baseline, made.affine.in_shape))[0]
    total = per_channel(given.bias, shape) + inflow
    bias = per_channel(made.affine.bias, shape)
    if at_start:
        bias = bias + per_channel(made.v_init, shape) - threshold / 2
    baseline = torch.where(torch.isfinite(scale), total - scale * bias / threshold, 0.0)
    negligible = baseline.abs() < _TOLERANCE * float(total.abs().max())
    return Scale(scale, torch.where(negligible, 0.0, baseline))


def _arriving(values: Tensor, shape: tuple[int, ...]) -> Tensor:
    return torch.where(torch.isfinite(values), values, 0.0).expand(1, *shape)


def _ratio(meant: Tensor, sent: Tensor) -> Tensor:
    """Least-squares factor of each channel, infinite where nothing is sent."""
    along = [axis for axis in range(meant.ndim) if axis != 1]
    power = (sent * sent).sum(along)
    return torch.where(power > 0, (meant * sent).sum(along) / power.clamp(min=1e-300), math.inf)
