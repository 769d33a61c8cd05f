"""A spiking network as a differentiable function of spike counts, with time averaged out.

With r the spikes of a neuron per step, or in "delta" coding its level, and T the number of steps (in "delta" coding 1),
a neuron with initial membrane v_init and threshold theta has room for

    d = (v_init + T (W r + b)) / theta

spikes. It sends floor(d) of them, no less than none and no more than it can, if they arrive evenly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from dqn2snn.dynamics.record import Record
from dqn2snn.dynamics.state import at_rest
from dqn2snn.engine.layerwise import advance_layerwise
from dqn2snn.plan import SpikingLayer, SpikingPlan


class Answer(NamedTuple):
    """Output of a network in training.

    Attributes:
        q: Q-values `[B, A]`, in the DQN's units.
        features: Spikes per step, or levels, of every hidden layer `[B, *shape]`.
    """

    q: Tensor
    features: tuple[Tensor, ...]


Activation = Callable[[Tensor, float], Tensor]
"""Spike counts `[B, *shape]` of the room d for them, and the most that the neuron can send."""


def quantised(room: Tensor, most: float) -> Tensor:
    """`clip(floor(d), 0, most)`, in the backward direction without the floor (Bu et al. 2022).

    Example:
        >>> room = torch.tensor([-0.2, 1.7, 9.0], requires_grad=True)
        >>> counts = quantised(room, 4.0)
        >>> counts.sum().backward()
        >>> counts.detach(), room.grad
        (tensor([0., 1., 4.]), tensor([0., 1., 0.]))
    """
    whole = torch.floor(room.detach()).clamp(0, most)
    return _straight_through(whole, room.clamp(0, most + 1))


def clipped(room: Tensor, most: float) -> Tensor:
    """`clip(d - 1/2, 0, most)`: the same without any rounding."""
    return (room - 0.5).clamp(0, most)


def counts_of(counts: Tensor) -> Activation:
    """Given counts, in the backward direction the rate map `clip(d - 1/2, 0, most)` (Meng et al. 2022)."""
    return lambda room, most: _straight_through(counts, clipped(room, most))


def _straight_through(value: Tensor, smooth: Tensor) -> Tensor:
    return _StraightThrough.apply(smooth, value)  # type: ignore[no-any-return, no-untyped-call]


class _StraightThrough(torch.autograd.Function):
    """Exactly the one value forward, the gradient of the other backward; their sum would round."""

    @staticmethod
    def forward(ctx: object, smooth: Tensor, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def answer(
    plan: SpikingPlan, observations: Tensor, activations: Sequence[Activation], q: Tensor | None = None
) -> Answer:
    """Evaluate the network with given activations.

    Args:
        plan: A plan in float32.
        observations: `[B, *input_shape]`, float32.
        activations: One for each hidden layer.
        q: Q-values `[B, A]` that take the place of those computed here, but for their gradient.

    Returns:
        Answer: Q-values and features, with gradients.
    """
    coding, steps = plan.coding, plan.coding.quanta(plan.num_steps)
    x, features = observations, []
    for layer, activation in zip(plan.layers, activations, strict=True):
        room = (layer.v_init + steps * _current(layer, x)) / layer.threshold
        x = activation(room, float(coding.most(layer, plan.num_steps))) / steps
        features.append(x)
    charge = _current(plan.output, x) + (plan.output.v_init if coding.once else 0)
    smooth = plan.readout_scale * charge / plan.output.threshold
    return Answer(smooth if q is None else _straight_through(q, smooth), tuple(features))


def simulated(plan: SpikingPlan, observations: Tensor) -> Record:
    """Simulate one decision from rest, without gradients."""
    with torch.no_grad():
        record, _ = advance_layerwise(
            plan, observations, plan.settling_steps, at_rest(plan, len(observations))
        )
    return record


def _current(layer: SpikingLayer, x: Tensor) -> Tensor:
    current = layer.affine(x)
    return current if layer.step_bias is None else current + layer.step_bias.mean(0)
