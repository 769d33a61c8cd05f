"""The state of a spiking network, which it may keep from one decision to the next."""

from __future__ import annotations

import torch
from torch import Tensor

from dqn2snn.dynamics.neuron import initial_state
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.state import NetworkState, NeuronState


def at_rest(plan: SpikingPlan, batch: int) -> NetworkState:
    """The state before anything has been observed.

    Args:
        plan: The spiking network, cast (`SpikingPlan.cast`) to the dtype and device of the state.
        batch: Number of networks.

    Returns:
        NetworkState: With memory of its own.
    """
    layers = tuple(initial_state(layer, batch) for layer in plan.all_layers)
    return NetworkState(layers, torch.zeros_like(layers[0].membrane))


def selected(state: NetworkState, rows: Tensor) -> NetworkState:
    """The state of some networks of a batch.

    Args:
        state: Of a batch.
        rows: Indices or a mask, `[B]` bool.

    Returns:
        NetworkState: Of those.
    """
    layers = tuple(NeuronState(layer.membrane[rows], layer.count[rows]) for layer in state.layers)
    return NetworkState(layers, state.current[rows])


def merged(state: NetworkState, rows: Tensor, others: NetworkState) -> NetworkState:
    """The state with that of some networks replaced.

    Args:
        state: Of a batch.
        rows: Mask `[B]` bool.
        others: Of as many networks as the mask holds.

    Returns:
        NetworkState: A new one.
    """

    def put(values: Tensor, new: Tensor) -> Tensor:
        values = values.clone()
        values[rows] = new
        return values

    layers = tuple(
        NeuronState(put(old.membrane, new.membrane), put(old.count, new.count))
        for old, new in zip(state.layers, others.layers, strict=True)
    )
    return NetworkState(layers, put(state.current, others.current))
