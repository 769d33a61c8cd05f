"""The oracle: a float64 step loop, as plain as the equations."""

from __future__ import annotations

import torch
from torch import Tensor

from dqn2snn.dynamics import if_step, initial_membrane
from dqn2snn.encode import constant_current
from dqn2snn.plan import SpikingPlan
from dqn2snn.record import Record, readouts

__all__ = ["simulate_reference"]


def simulate_reference(
    plan: SpikingPlan, observations: Tensor, num_steps: int, *, spikes: bool = False
) -> Record:
    """Simulate all layers step by step in float64; a spike reaches the next layer within its step.

    Args:
        plan: The spiking network.
        observations: `[B, *input_shape]`.
        num_steps: T.
        spikes: Keep every spike of every layer.

    Returns:
        Record: In float64.
    """
    layers = [layer.cast(torch.float64, observations.device) for layer in plan.all_layers]
    constant = constant_current(plan, observations)
    membranes = [initial_membrane(layer, len(observations)) for layer in layers]
    counts = [torch.zeros_like(membrane) for membrane in membranes]
    trains: list[list[Tensor]] = [[] for _ in layers]
    output_membrane = []
    for _ in range(num_steps):
        fired = constant
        for i, layer in enumerate(layers):
            current = fired if i == 0 else layer.affine(fired)
            fired, membranes[i] = if_step(current, membranes[i], layer)
            counts[i] += fired
            if spikes or layer is layers[-1]:
                trains[i].append(fired.bool())
        output_membrane.append(membranes[-1])
    q, q_spike = readouts(plan, torch.stack(trains[-1]), torch.stack(output_membrane))
    kept = tuple(torch.stack(train) for train in trains) if spikes else None
    return Record(num_steps, plan.layer_names, q, q_spike, tuple(counts), kept)
