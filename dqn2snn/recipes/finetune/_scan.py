"""A layer of spiking neurons over time, with pseudo-derivatives of its spikes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dqn2snn.dynamics.neuron import spikes_of
from dqn2snn.plan import SpikingLayer


def scan(currents: Tensor, layer: SpikingLayer) -> Tensor:
    """Simulate a layer from its initial state.

    The derivative of a spike with respect to the membrane is that of `pseudo_derivative`; limits that depend on the
    spikes so far are taken for constants.

    Args:
        currents: `[T, B, *shape]`.
        layer: A layer in the dtype of the currents.

    Returns:
        Tensor: Spikes `[T, B, *shape]`, whole numbers.

    Example:
        >>> from dqn2snn.plan.graph import AffineLayer
        >>> from dqn2snn.plan.ops import Dense
        >>> affine = AffineLayer("fc", (Dense(torch.eye(1)),), torch.zeros(1), (1,), (1,))
        >>> layer = SpikingLayer(affine, threshold=torch.tensor(1.0), v_init=torch.tensor(0.5))
        >>> currents = torch.full((4, 1, 1), 0.375, requires_grad=True)
        >>> scan(currents, layer).flatten()
        tensor([0., 1., 0., 1.], grad_fn=<ViewBackward0>)
    """
    membrane = layer.v_init.expand(currents.shape[1:])
    return _Scan.apply(currents, membrane, layer)  # type: ignore[no-any-return, no-untyped-call]


class _Scan(torch.autograd.Function):
    """The loop over time by hand, which costs a third of the time of torch's own graph."""

    @staticmethod
    def forward(ctx: Any, currents: Tensor, membrane: Tensor, layer: SpikingLayer) -> Tensor:
        v, count = membrane.clone(), torch.zeros_like(membrane)
        spikes, slopes = [], []
        for current in currents:
            v = v + current
            s = spikes_of(v, count, layer)
            slopes.append(pseudo_derivative(v, count, layer))
            count = count + s
            v = v - s * layer.threshold
            spikes.append(s)
        ctx.slopes, ctx.threshold = slopes, layer.threshold
        return torch.stack(spikes)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        (of_spikes,) = gradients
        of_membrane = torch.zeros_like(of_spikes[0])
        of_currents = torch.empty_like(of_spikes)
        for t in reversed(range(len(of_spikes))):
            # v(t) = v - s theta goes on to the next step, so a spike acts by its value and by its charge.
            of_membrane = of_membrane + (of_spikes[t] - ctx.threshold * of_membrane) * ctx.slopes[t]
            of_currents[t] = of_membrane
        return of_currents, of_membrane, None


def pseudo_derivative(membrane: Tensor, count: Tensor, layer: SpikingLayer) -> Tensor:
    """`min(1, v / theta - m, M + 1 - v / theta) / theta` where positive, for spikes from m to M.

    Every threshold between m and M contributes a triangle of half-width theta, and together they make one plateau.

    Args:
        membrane: v before the reset, `[B, *shape]`.
        count: N before this step.
        layer: Neurons of the layer.

    Returns:
        Tensor: `[B, *shape]`.
    """
    x, k = membrane / layer.threshold, layer.max_spikes
    above = (k + 1) - x if layer.max_count is None else (layer.max_count - count).clamp(max=k) + 1 - x
    below = x + count.clamp(max=k) if layer.signed else x
    return torch.minimum(above, below).clamp_(0, 1) / layer.threshold
