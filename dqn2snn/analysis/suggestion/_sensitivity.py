"""Sensitivity of the Q-values to every rate: one backward pass for each action."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dqn2snn.analysis._gradients import gradients_by_action
from dqn2snn.plan.graph import AffineLayer
from dqn2snn.plan.rate_network import RateNetwork


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """Derivatives of the Q-values in a batch of decisions, and the spread of every neuron's input.

    Attributes:
        q: Q-values of the rate network, `[B, A]`.
        drives: z of every hidden layer, `[B, *shape]`.
        gradients: dQ / dr of every hidden layer, `[B, A, neurons]`, of silent neurons too.
        spreads: For every hidden layer, the standard deviation of z, in spikes, from rounding in the layers
            before it, if each of their active neurons rounds independently of the others: `[B, *shape]`, zero
            in the first. It does not depend on the number of steps, since z times their number has errors of
            single spikes.
    """

    q: Tensor
    drives: tuple[Tensor, ...]
    gradients: tuple[Tensor, ...]
    spreads: tuple[Tensor, ...]


def sensitivity(network: RateNetwork, observations: Tensor) -> Sensitivity:
    """One pass forward, with a second one for variances, and one backward for each action.

    Args:
        network: The rate network.
        observations: `[B, *shape]`.

    Returns:
        Sensitivity: Without history.
    """
    drives, rates = [], []
    with torch.enable_grad():
        x = network.inputs(observations).requires_grad_()
        for layer in network.layers:
            z = layer(x)
            x = z.relu()
            drives.append(z)
            rates.append(x)
        q = network.q(x)
        gradients = gradients_by_action(q, rates)
    detached = tuple(z.detach() for z in drives)
    return Sensitivity(q.detach(), detached, gradients, _spreads(network, detached))


def _spreads(network: RateNetwork, drives: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Variances, layer by layer: `sum_i W_i^2 (1/12 + v_i)` over the active neurons of the layer before."""
    spreads = [torch.zeros_like(drives[0])]
    for layer, before in zip(network.layers[1:], drives, strict=False):
        incoming = (before > 0) * (1 / 12 + spreads[-1].square())
        variance = _squared(layer.layer.affine)(incoming) / layer.layer.threshold.square()
        spreads.append(variance.sqrt())
    return tuple(spreads)


def _squared(affine: AffineLayer) -> AffineLayer:
    return affine.with_parameters(affine.weight.square(), torch.zeros_like(affine.bias))
