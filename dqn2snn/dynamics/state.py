"""What a spiking network remembers from one decision to the next."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dqn2snn.dynamics.neuron import NeuronState, initial_state
from dqn2snn.plan import SpikingLayer, SpikingPlan

__all__ = ["NetworkState", "at_rest", "merged", "next_decision", "resynchronised", "selected"]


@dataclass(frozen=True, eq=False)
class NetworkState:
    """State of a batch of networks between two steps.

    Attributes:
        layers: Of the hidden layers, then of the output.
        current: Current of the first layer that was presented last, `[B, *shape]`; zero at rest.
    """

    layers: tuple[NeuronState, ...]
    current: Tensor


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


def next_decision(plan: SpikingPlan, state: NetworkState) -> NetworkState:
    """The state in which the next decision begins, given the one in which the last has ended.

    In "delta" coding it is the same. In "rate" coding neurons begin anew, but that the fraction alpha = `plan.carry`
    of what was left in a membrane stays in it (Xu et al. 2026, arXiv 2601.21778): with r = v(T) - v_init, at least
    -theta N(T), as N(T) spikes cannot have been more wrong than that,

        v(0) = v_init + clip(alpha r, -theta / 2, theta / 2),

    within [0, theta) and on the plan's grid; alpha is a multiple of 1/16, which keeps that exact.

    Args:
        plan: The spiking network, cast like the state.
        state: After the last step of a decision.

    Returns:
        NetworkState: Before the first step of the next.
    """
    if plan.coding == "delta":
        return state
    rest = at_rest(plan, len(state.current))
    if not plan.carry:
        return rest
    hidden = tuple(
        NeuronState(_carried(layer, old, plan.carry), new.count)
        for layer, old, new in zip(plan.layers, state.layers, rest.layers, strict=False)
    )
    return NetworkState((*hidden, rest.layers[-1]), rest.current)


def _carried(layer: SpikingLayer, state: NeuronState, carry: float) -> Tensor:
    # Clipped before it is multiplied, so that float32 holds the product with a multiple of 1/16 exactly.
    theta = layer.threshold
    left = torch.maximum(state.membrane - layer.v_init, -theta * state.count)
    change = carry * torch.minimum(torch.maximum(left, -8 * theta), 8 * theta)
    change = torch.minimum(torch.maximum(change, -theta / 2), theta / 2)
    if layer.fraction_bits is None:
        return (layer.v_init + change).clamp(min=0)
    step = 2.0**-layer.fraction_bits
    changed = (layer.v_init + torch.floor(change / step) * step).clamp(min=0)
    return torch.minimum(changed, theta - step)


def resynchronised(plan: SpikingPlan, state: NetworkState) -> NetworkState:
    """The state of a "delta" network with its membranes computed anew from what has been sent.

    Every membrane is `v_init + W N' - theta N`, with N' the spikes that have come in and N those that have been sent;
    in the first layer the current takes the place of `W N'`. On the grid nothing changes. Off it, rounding errors that
    have gathered over many decisions are gone.

    Args:
        plan: The spiking network, cast like the state.
        state: Between two steps.

    Returns:
        NetworkState: Counts and current as they were.
    """
    drives = [state.current]
    for layer, before in zip(plan.all_layers[1:], state.layers, strict=False):
        drives.append(layer.affine(before.count))
    layers = tuple(
        NeuronState(layer.v_init + drive - layer.threshold * now.count, now.count)
        for layer, drive, now in zip(plan.all_layers, drives, state.layers, strict=True)
    )
    return NetworkState(layers, state.current)


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
