"""Random plans of every kind of neuron, in rate and in delta coding, and episodes for them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from hypothesis import reject
from hypothesis import strategies as st
from torch import Tensor

from dqn2snn.dynamics.codings.rate import CODING as RATE
from dqn2snn.errors import CalibrationError, PlanError
from dqn2snn.plan import Coding, SpikingLayer, SpikingPlan
from dqn2snn.plan.graph import per_channel
from dqn2snn.plan.grid import on_grid
from dqn2snn.recipes import diehl2015
from dqn2snn.tracing.calibration import calibrate
from tests.geometries import cases


@dataclass(frozen=True)
class Episodes:
    """Observations of environments side by side, and where episodes begin.

    Attributes:
        observations: `[K, B, *shape]`, of K decisions.
        episode_start: `[K, B]` bool.
        num_steps: Of each decision.
    """

    observations: Tensor
    episode_start: Tensor
    num_steps: int


@st.composite
def general_plans(draw: st.DrawFn, coding: Coding = RATE) -> tuple[SpikingPlan, Episodes]:
    """A plan on the grid, and a few decisions for it."""
    case = draw(cases())
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    decisions, batch, steps = draw(st.integers(2, 6)), draw(st.integers(1, 3)), draw(st.integers(1, 8))
    try:
        stats = calibrate(case.graph, case.observations)
        raw = diehl2015(case.graph, stats, num_steps=decisions * steps, grid=None)
        layers = [_neurons(draw, raw, i, generator) for i in range(len(raw.all_layers))]
        if coding.persistent:
            layers = [_persistent(draw, layer, i, len(raw.layers)) for i, layer in enumerate(layers)]
        plan = replace(raw, layers=tuple(layers[:-1]), output=layers[-1], coding=coding)
        plan = on_grid(plan, "auto", stats.observation_magnitude)
    except (CalibrationError, PlanError):
        reject()  # a layer is dead on these observations, or no grid holds the membranes
    return plan, _episodes(case.observations, decisions, batch, steps, generator)


def _neurons(draw: st.DrawFn, plan: SpikingPlan, i: int, generator: torch.Generator) -> SpikingLayer:
    layer, hidden = plan.all_layers[i], i < len(plan.layers)
    threshold = 0.25 + torch.rand(layer.shape[0], generator=generator, dtype=torch.float64)
    shape = layer.shape if draw(st.booleans()) else layer.shape[:1]
    share = torch.rand(shape, generator=generator, dtype=torch.float64)
    share = 0.95 * share if i == 0 else 1.5 * share - 0.5
    v_init = share * (per_channel(threshold, layer.shape) if len(shape) > 1 else threshold)
    step_bias = None
    if i > 0 and draw(st.booleans()):
        step_bias = torch.randn(plan.num_steps, layer.shape[0], generator=generator, dtype=torch.float64) / 4
    layer = replace(layer, threshold=threshold, v_init=v_init, step_bias=step_bias)
    if not hidden:
        return layer
    kind = replace(
        layer,
        max_spikes=draw(st.sampled_from([1, 2, 5])),
        signed=draw(st.booleans()),
        max_count=draw(st.none() | st.integers(1, 9)),
    )
    return replace(kind, reset=draw(st.sampled_from(["subtract", "zero"]))) if kind.plain else kind


def _persistent(draw: st.DrawFn, layer: SpikingLayer, i: int, output: int) -> SpikingLayer:
    """A layer whose bias is in its initial membranes, and whose first one has levels to be told of."""
    layer, affine = replace(layer, step_bias=None, reset="subtract"), layer.affine
    if i < output:
        layer = replace(layer, max_count=draw(st.integers(1, 9)), signed=draw(st.booleans()) or layer.signed)
    if i == 0:
        return replace(layer, affine=affine.with_parameters(4 * affine.weight, 4 * affine.bias))
    bias = affine.bias
    if bias.ndim != layer.v_init.ndim:
        bias, v_init = (per_channel(x, layer.shape).expand(layer.shape) for x in (bias, layer.v_init))
        layer = replace(layer, v_init=v_init)
    return replace(
        layer,
        v_init=layer.v_init + bias,
        affine=affine.with_parameters(affine.weight, torch.zeros_like(affine.bias)),
    )


def _episodes(seen: Tensor, decisions: int, batch: int, steps: int, generator: torch.Generator) -> Episodes:
    """Observations that change now and then and a little each time."""
    start, other = seen[:batch], seen[batch : 2 * batch]
    mix = torch.rand(decisions, batch, *(1 for _ in seen.shape[1:]), generator=generator)
    episode_start = torch.rand(decisions, batch, generator=generator) < 0.25
    return Episodes(start + mix.round(decimals=1) * (other - start), episode_start, steps)
