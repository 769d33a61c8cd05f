"""Plans of every kind of neuron and coding, made of one of plain neurons in raw numbers."""

from __future__ import annotations

from dataclasses import replace

import torch

from dqn2snn.dynamics.codings.delta import CODING as DELTA
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.plan.grid import on_grid

__all__ = ["KINDS", "delta", "of_kind", "with_neurons"]


def with_neurons(plan: SpikingPlan, **options: object) -> SpikingPlan:
    """Hidden neurons of another kind, which start at half their thresholds."""
    layers = [replace(layer, v_init=layer.threshold / 2, **options) for layer in plan.layers]  # type: ignore[arg-type]
    return replace(plan, layers=tuple(layers))


def delta(plan: SpikingPlan, levels: int, max_spikes: int) -> SpikingPlan:
    """Sigma-delta coding with `levels` quanta to what was a threshold."""
    made: list[SpikingLayer] = []
    for i, layer in enumerate(plan.all_layers):
        hidden = i < len(plan.layers)
        bias = layer.affine.bias * (levels if hidden else 1)
        weight = layer.affine.weight * (levels if i == 0 else 1.0 if hidden else 1 / levels)
        start = layer.threshold / 2 if hidden else torch.zeros_like(layer.threshold)
        if i > 0:
            start, bias = start + bias, torch.zeros_like(bias)
        moved = replace(layer, affine=layer.affine.with_parameters(weight, bias), v_init=start)
        made.append(replace(moved, signed=True, max_spikes=max_spikes, max_count=levels) if hidden else moved)
    return replace(plan, layers=tuple(made[:-1]), output=made[-1], coding=DELTA, warmup_steps=2 * levels)


def _step_biased(plan: SpikingPlan) -> SpikingPlan:
    generator = torch.Generator().manual_seed(0)

    def noise(layer: SpikingLayer) -> torch.Tensor:
        return torch.randn(plan.num_steps, layer.shape[0], generator=generator, dtype=torch.float64) / 10

    first, *others = plan.layers
    return replace(plan, layers=(first, *(replace(layer, step_bias=noise(layer)) for layer in others)))


def _own_start(plan: SpikingPlan) -> SpikingPlan:
    generator = torch.Generator().manual_seed(1)

    def start(layer: SpikingLayer) -> torch.Tensor:
        return 0.9 * torch.rand(*layer.shape, generator=generator, dtype=torch.float64)

    return replace(plan, layers=tuple(replace(layer, v_init=start(layer)) for layer in plan.layers))


KINDS = {
    "half": lambda plan: with_neurons(plan),
    "signed": lambda plan: with_neurons(plan, signed=True),
    "burst": lambda plan: with_neurons(plan, max_spikes=4),
    "signed burst": lambda plan: with_neurons(plan, max_spikes=3, signed=True),
    "bounded": lambda plan: with_neurons(plan, max_spikes=2, signed=True, max_count=5),
    "step bias": lambda plan: _step_biased(with_neurons(plan, signed=True)),
    "own start": lambda plan: _own_start(with_neurons(plan, signed=True)),
    "slope": lambda plan: replace(with_neurons(plan, signed=True), readout="slope"),
    "carry": lambda plan: replace(with_neurons(plan), carry=0.3125),
    "delta": lambda plan: delta(plan, 16, 4),
    "delta of single spikes": lambda plan: delta(plan, 6, 1),
}
"""By name, functions of a plan in raw numbers."""


def of_kind(name: str, plan: SpikingPlan, magnitude: float = 1.0) -> SpikingPlan:
    """A plan of a kind, on the grid."""
    return on_grid(KINDS[name](plan), "auto", magnitude)
