"""Integrate-and-fire neurons in plain torch, as a backend.

The recipes ``rate_if``, ``tan2021``, ``diehl2015``, ``rueckauer2017`` and ``deng2021`` need no others.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dqn2snn import SpikingPlan
from dqn2snn.errors import PlanError
from dqn2snn.neurons.backends import Backend, CurrentEncoder, synapse_modules
from dqn2snn.plan import SpikingLayer
from dqn2snn.plan.graph import per_channel
from dqn2snn.plan.state import NetworkState

__all__ = ["BACKEND", "IF", "SpikingNetwork"]


class IF(nn.Module):
    """Integrate-and-fire neurons: `v <- v + I;  s = v >= theta;  v <- v - theta s`, or `v <- v_init` where s.

    Args:
        layer: Of a plan.
    """

    threshold: Tensor
    v_init: Tensor

    def __init__(self, layer: SpikingLayer) -> None:
        super().__init__()
        self.register_buffer("threshold", per_channel(layer.threshold, layer.shape).float())
        self.register_buffer("v_init", per_channel(layer.v_init, layer.shape).float())
        self.subtract = layer.reset == "subtract"

    def forward(self, current: Tensor, membrane: Tensor | None) -> tuple[Tensor, Tensor]:
        """Spikes and membrane after one step, `[B, *shape]`; `membrane=None` starts from `v_init`."""
        v = current + (self.v_init if membrane is None else membrane)
        spikes = (v >= self.threshold).to(v.dtype)
        reset = v - spikes * self.threshold if self.subtract else torch.where(spikes > 0, self.v_init, v)
        return spikes, reset


class SpikingNetwork(nn.Module):
    """Synapses and neurons in turn, `network(observations) -> spikes [T, B, A]` of the output.

    Args:
        plan: In rate coding, of neurons that send one spike a step at most.

    Raises:
        PlanError: If it needs other neurons.
    """

    def __init__(self, plan: SpikingPlan) -> None:
        super().__init__()
        layers = plan.all_layers
        if (
            plan.coding.once
            or plan.coding.windowed
            or not all(layer.plain and layer.steady and layer.step_bias is None for layer in layers)
        ):
            raise PlanError(
                "Expected integrate-and-fire neurons without leak, signs, bursts or currents for single steps. Found a "
                f'plan of the recipe {plan.recipe!r}. Use recipe="rate_if".'
            )
        self.num_steps = plan.num_steps
        self.encoder = CurrentEncoder(plan)
        self.synapses = nn.ModuleList(nn.Sequential(*synapse_modules(layer.affine)) for layer in layers[1:])
        self.neurons = nn.ModuleList(IF(layer) for layer in layers)

    def step(self, current: Tensor, membranes: list[Tensor] | None) -> tuple[list[Tensor], list[Tensor]]:
        """Spikes and membranes of all layers after one step."""
        before = [None] * len(self.neurons) if membranes is None else membranes
        spikes, after = [], []
        for i, (neurons, v) in enumerate(zip(self.neurons, before, strict=True)):
            fired, v = neurons(self.synapses[i - 1](spikes[-1]) if spikes else current, v)
            spikes.append(fired)
            after.append(v)
        return spikes, after

    def forward(self, observations: Tensor) -> Tensor:
        """Spikes of the output neurons, `[T, B, A]`."""
        current, membranes, record = self.encoder(observations), None, []
        for _ in range(self.num_steps):
            spikes, membranes = self.step(current, membranes)
            record.append(spikes[-1])
        return torch.stack(record)


class Adapter:
    """The network as the engine "modules" steps it; its state is the list of membranes.

    Args:
        network: The network.
    """

    def __init__(self, network: SpikingNetwork) -> None:
        self.encoder = network.encoder
        self.advance = network.step

    def native(self, state: NetworkState, like: Tensor) -> list[Tensor]:
        """Membranes of all layers."""
        return [layer.membrane.to(like) for layer in state.layers]

    def membrane(self, state: list[Tensor], layer: int) -> Tensor:
        """That of one layer."""
        return state[layer]


BACKEND = Backend(build=SpikingNetwork, adapt=Adapter)
