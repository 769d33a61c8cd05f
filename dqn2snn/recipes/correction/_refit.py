"""Changing one layer of a plan."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.plan.graph import per_channel
from dqn2snn.plan.ops import Dense, run


def is_dense(layer: SpikingLayer) -> bool:
    """Whether the layer's synapses end in a matrix."""
    return isinstance(layer.affine.ops[-1], Dense)


def arriving(layer: SpikingLayer, rates: Tensor) -> Tensor:
    """Vectors that the matrix of a dense layer multiplies, `[B, F]`, given the rates of the layer before."""
    return run(layer.affine.ops[:-1], rates)


def step_current(plan: SpikingPlan, layer: SpikingLayer) -> Tensor:
    """Mean of the step biases, weighted like spikes."""
    if layer.step_bias is None:
        return torch.zeros((), dtype=torch.float64)
    return per_channel(plan.coding.worth(plan) @ layer.step_bias, layer.shape)


def refitted(
    layer: SpikingLayer, weight: Tensor, bias: Tensor, rounding: Tensor | None = None
) -> SpikingLayer:
    """Give a dense layer another map.

    Args:
        layer: The dense layer.
        weight: `[A, F]`.
        bias: `[A]`.
        rounding: Added to the bias in the initial membrane, of codings that have the bias there; else None.

    Returns:
        SpikingLayer: A new layer.
    """
    if rounding is None:
        return replace(layer, affine=layer.affine.with_parameters(weight, bias))
    return replace(
        layer, affine=layer.affine.with_parameters(weight, torch.zeros_like(bias)), v_init=bias + rounding
    )


def with_layer(plan: SpikingPlan, index: int, layer: SpikingLayer) -> SpikingPlan:
    """The plan with another hidden layer."""
    return replace(plan, layers=(*plan.layers[:index], layer, *plan.layers[index + 1 :]))
