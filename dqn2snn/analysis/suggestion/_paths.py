"""Rounding errors over time, for readouts that look back and for neurons that cannot take spikes back.

A neuron that is to have sent t z spikes after t steps, and whose input is off by about s spikes, has sent

    N(t) = N(t - 1) + clip(floor(t z + s xi(t) + phi) - N(t - 1), lowest, k),

with lowest = -min(k, N) where spikes can be taken back and 0 where not. That is the neuron itself, in an input whose
errors are drawn instead of simulated: no weights are involved, and all numbers of steps come from one run over time.
The slope of the charge over time takes of the errors e(t) = N(t) - t max(0, z) - s xi(t) [z > 0]

    sum_t t e(t) / sum_t t^2,

in which errors that come and go cancel, and those of neurons that hardly ever fire stay.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dqn2snn.analysis.suggestion._sensitivity import Sensitivity
from dqn2snn.plan import SpikingLayer
from dqn2snn.plan.rate_network import RateNetwork

_SEED = 0
_NEAR = 4.0
"""Spreads below zero at which a neuron is taken as silent."""


def q_errors_over_time(network: RateNetwork, at: Sensitivity, steps: Sequence[int]) -> list[Tensor]:
    """Errors of the Q-values `[B, A]` after each of some numbers of steps, by the plan's readout.

    Args:
        network: The rate network of a "rate" plan.
        at: Its sensitivity.
        steps: Increasing numbers of steps.

    Returns:
        list[Tensor]: In the DQN's units.
    """
    errors = [torch.zeros_like(at.q) for _ in steps]
    generator = torch.Generator("cpu").manual_seed(_SEED)
    slope = network.plan.readout == "slope"
    for i, layer in enumerate(network.layers):
        z, spread = at.drives[i].flatten(1), at.spreads[i].flatten(1)
        active = z * steps[-1] > -1 - _NEAR * spread
        phase = layer.phase.expand(layer.layer.shape).flatten().expand_as(z)[active]
        for error, active_rates in zip(
            errors,
            _rate_errors(z[active], spread[active], phase, layer.layer, steps, slope, i > 0, generator),
            strict=True,
        ):
            rates = torch.zeros_like(z)
            rates[active] = active_rates
            error += torch.einsum("ban,bn->ba", at.gradients[i], rates)
    return errors


def _rate_errors(
    z: Tensor,
    spread: Tensor,
    phase: Tensor,
    layer: SpikingLayer,
    steps: Sequence[int],
    slope: bool,
    noisy: bool,
    generator: torch.Generator,
) -> list[Tensor]:
    """Errors of the rates of neurons, `[neurons]`, after each number of steps."""
    count, gathered = torch.zeros_like(z), torch.zeros_like(z)
    target = z.clamp(min=0)
    passed = spread * (z > 0)
    k, squares, found = float(layer.max_spikes), 0.0, []
    wanted = set(steps)
    for t in range(1, steps[-1] + 1):
        level = torch.add(phase, z, alpha=t)
        error = -t * target
        if noisy:
            xi = torch.rand(z.shape, generator=generator, device="cpu").sub_(0.5).mul_(12**0.5)
            level.addcmul_(spread, xi)
            error.addcmul_(passed, xi, value=-1)
        change = level.floor_().sub_(count)
        lowest = -count.clamp(max=k) if layer.signed else torch.zeros_like(count)
        count += torch.maximum(change.clamp_(max=k), lowest)
        error += count
        gathered = gathered.add_(error, alpha=t) if slope else error
        squares += t * t
        if t in wanted:
            found.append(gathered / (squares if slope else t))
    return found
