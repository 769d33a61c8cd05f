"""The numbers of a plan that are trained."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dqn2snn.errors import PlanError
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.plan.graph import LayerGraph, per_channel

_ROOM = 2.0**-12
"""Gap between the first layer's initial membranes and the threshold, in thresholds; they stay below on any grid."""

_MEMBRANE_RATE = 0.3
"""Learning rate of initial membranes in thresholds, for one of 1 of the weights in their root mean square."""


@dataclass(frozen=True, eq=False)
class _Numbers:
    """Trained numbers of one layer; None where they are fixed.

    The scale of a channel is not among them: it is a factor of the weights that lead to the channel and of those that
    leave it, which are.
    """

    weight: Tensor
    bias: Tensor | None
    v_init: Tensor | None
    first: bool

    def put(self, layer: SpikingLayer) -> SpikingLayer:
        """The layer with these numbers."""
        bias = layer.affine.bias if self.bias is None else self.bias
        v_init = layer.v_init if self.v_init is None else per_channel(self.v_init, layer.shape)
        if self.first:
            v_init = v_init.clamp(min=0).minimum((1 - _ROOM) * layer.threshold)
        return replace(layer, affine=layer.affine.with_parameters(self.weight, bias), v_init=v_init)


class Trained:
    """A plan whose weights, biases and initial membranes are leaves of torch's graph.

    Args:
        plan: A plan in raw numbers.
    """

    def __init__(self, plan: SpikingPlan) -> None:
        self.made = plan
        self._cast = plan.cast(torch.float32)
        self._numbers = [self._leaves(index) for index in range(len(plan.all_layers))]

    def plan(self) -> SpikingPlan:
        """The plan with the current numbers, in float32; gradients reach them through it."""
        *hidden, output = (
            numbers.put(layer) for numbers, layer in zip(self._numbers, self._cast.all_layers, strict=True)
        )
        return replace(self._cast, layers=tuple(hidden), output=output)

    def exported(self) -> SpikingPlan:
        """The plan in float64 without gradients, with numbers per channel where neurons share them."""
        now = self.plan()
        *hidden, output = (
            self._exported(made, layer)
            for made, layer in zip(self.made.all_layers, now.all_layers, strict=True)
        )
        return replace(self.made, layers=tuple(hidden), output=output)

    def parameters(self) -> list[Tensor]:
        """All numbers that are trained."""
        return [
            number
            for numbers in self._numbers
            for number in (numbers.weight, numbers.bias, numbers.v_init)
            if number is not None
        ]

    def freeze(self, index: int) -> None:
        """Train a layer no more."""
        for number in (self._numbers[index].weight, self._numbers[index].bias, self._numbers[index].v_init):
            if number is not None:
                number.requires_grad_(False)

    def groups(self, learning_rate: float) -> list[dict[str, object]]:
        """Parameter groups of an optimiser whose steps have the size of the learning rate.

        Weights move by the rate times the root mean square of the layer's weights, so that it means the same in every
        layer and network; biases as weights from an input that is always as large as inputs become.
        """
        groups: list[dict[str, object]] = []
        for index, numbers in enumerate(self._numbers):
            size = float(numbers.weight.detach().square().mean().sqrt()) * learning_rate
            level = self._largest_input(index)
            rates = {
                "weight": size,
                "bias": size * level,
                "v_init": size * level if self._bias_at_start(index) else learning_rate * _MEMBRANE_RATE,
            }
            for name, rate in rates.items():
                number: Tensor | None = getattr(numbers, name)
                if number is not None and number.requires_grad:
                    groups.append({"params": [number], "lr": rate})
        return groups

    def snapshot(self) -> list[Tensor]:
        """Copy all numbers that are trained."""
        return [number.detach().clone() for number in self.parameters()]

    def restore(self, snapshot: list[Tensor]) -> None:
        """Put copies back."""
        with torch.no_grad():
            for number, kept in zip(self.parameters(), snapshot, strict=True):
                number.copy_(kept)

    def _bias_at_start(self, index: int) -> bool:
        return self.made.coding.once and index > 0

    def _largest_input(self, index: int) -> float:
        if index == 0:
            return 1.0
        return float(self.made.coding.most(self.made.layers[index - 1], 1))

    def _leaves(self, index: int) -> _Numbers:
        layer = self._cast.all_layers[index]
        hidden, delta = index < len(self.made.layers), self._bias_at_start(index)
        # Per channel even where all have the same: they need not after training.
        v_init = self.made.all_layers[index].v_init.float()
        wide = v_init.expand(layer.shape[:1]) if v_init.ndim == 0 else v_init
        return _Numbers(
            weight=_leaf(layer.affine.weight),
            bias=None if delta else _leaf(layer.affine.bias),
            v_init=_leaf(wide) if hidden or delta else None,
            first=index == 0,
        )

    @staticmethod
    def _exported(made: SpikingLayer, now: SpikingLayer) -> SpikingLayer:
        affine = now.affine.with_parameters(
            now.affine.weight.detach().double(), now.affine.bias.detach().double()
        )
        v_init = now.v_init.detach().double()
        if v_init.ndim > 1 and v_init.numel() == len(v_init):
            v_init = v_init.flatten()
        return replace(made, affine=affine, v_init=v_init)


def _leaf(values: Tensor) -> Tensor:
    return values.detach().clone().requires_grad_(True)


def check_trainable(plan: SpikingPlan, graph: LayerGraph) -> None:
    """Refuse what cannot be trained.

    Raises:
        PlanError: If the plan is on a grid, codes by latency, resets to zero, or is of another network than the graph.
    """
    if plan.on_grid:
        raise PlanError(
            "Expected a plan in raw numbers, which can change a little. Found one on a grid. Convert with grid=None."
        )
    if not plan.coding.counted:
        raise PlanError(
            f"Expected spikes that are counted. Found {plan.coding} coding. "
            "Fine-tune a plan of another recipe."
        )
    if any(layer.reset == "zero" for layer in plan.all_layers):
        raise PlanError(
            "Expected neurons with soft reset, whose rate follows their current. Found reset to zero. "
            'Use a recipe with reset="subtract".'
        )
    found, expected = (
        [plan.input_shape, *(layer.shape for layer in plan.all_layers)],
        [graph.input_shape, *(layer.out_shape for layer in graph.all_layers)],
    )
    if found != expected:
        raise PlanError(
            f"Expected a plan of the network that teaches, with layers of shapes {expected}. Found {found}. "
            "Pass the graph of the network that was converted."
        )
