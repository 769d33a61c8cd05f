"""From an observation to the constant current of the first layer."""

from __future__ import annotations

import torch
from torch import Tensor

from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.grid import rounded


def constant_current(plan: SpikingPlan, observations: Tensor) -> Tensor:
    """The current that every first-layer neuron receives at every step, `[B, *shape]`, float64.

    Tan et al. (2021) present the observation itself as a real-valued current, without any random spikes:
    `I = W_1 x + b_1`. On the grid x, W_1 and I are rounded; the sum between them is exact in float64, so the
    result does not depend on the order of summation. The current is clamped to what k spikes a step can take away,
    [0, `plan.coding.ceiling` thresholds]: k where it is presented at each step, L where it is a level, presented as a
    difference. No spike changes: a neuron that receives a constant negative current never fires, and one that receives
    more always fires as much as it can.

    Args:
        plan: The spiking network.
        observations: `[B, *input_shape]`.

    Returns:
        Tensor: The current.
    """
    layer = plan.layers[0].cast(torch.float64, observations.device)
    x = observations.double()
    if plan.input_bits is None or layer.fraction_bits is None:
        return layer.affine(x)
    current = rounded(layer.affine(rounded(x, plan.input_bits)), layer.fraction_bits)
    return torch.minimum(current.clamp_(min=0), plan.coding.ceiling(layer) * layer.threshold)
