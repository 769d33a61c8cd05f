"""One time step of a whole network, as a pure function: what the reference engine repeats."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from dqn2snn.dynamics.neuron import if_step
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.plan.state import NeuronState


def network_step(
    plan: SpikingPlan, current: Tensor, states: Sequence[NeuronState], step: int
) -> tuple[list[Tensor], list[NeuronState]]:
    """Step the first layers of a network, as many as there are states; a spike reaches the next within the step.

    Args:
        plan: The spiking network, cast to the dtype of the states.
        current: Of the first layer, `[B, *shape]`.
        states: After the previous step.
        step: Number of the step in its decision, from 0 on.

    Returns:
        tuple[list[Tensor], list[NeuronState]]: Spikes of each of these layers, and the states after the step.
    """
    spikes: list[Tensor] = []
    after: list[NeuronState] = []
    for i, (layer, state) in enumerate(zip(plan.all_layers, states, strict=False)):
        arriving = current if i == 0 else current_of(plan, layer, spikes[-1], step)
        fired, left = if_step(arriving, state, layer, step)
        spikes.append(fired)
        after.append(left)
    return spikes, after


def current_of(plan: SpikingPlan, layer: SpikingLayer, spikes: Tensor, step: int) -> Tensor:
    """The current that a layer behind the first receives.

    Args:
        plan: The spiking network.
        layer: One of its layers, cast to the dtype of the spikes.
        spikes: Of the layer before, `[B, *in_shape]`.
        step: Number of the step in its decision, from 0 on.

    Returns:
        Tensor: `[B, *shape]`.
    """
    affine = layer.affine.linear if plan.coding.onset and step else layer.affine
    return affine(spikes) if layer.step_bias is None else affine(spikes) + layer.step_bias[step]
