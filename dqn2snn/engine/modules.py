"""Running the native neuron modules themselves, step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dqn2snn.neurons.snntorch import SNNTorchNetwork
from dqn2snn.plan import SpikingPlan
from dqn2snn.record import Record, readouts

__all__ = ["simulate_modules"]

_Advance = Callable[[Tensor, Any], tuple[list[Tensor], Any]]


def simulate_modules(
    network: nn.Module, plan: SpikingPlan, observations: Tensor, num_steps: int, *, spikes: bool = False
) -> Record:
    """Simulate a network that `to_snntorch` or `to_norse` made.

    Args:
        network: The native network.
        plan: The plan that it was made of.
        observations: `[B, *input_shape]`.
        num_steps: T.
        spikes: Keep every spike of every layer.

    Returns:
        Record: In the dtype of the network, float32 at least: a bfloat16 cannot count to 257.
    """
    current, advance, output_membrane = _face(network, plan, observations)
    state: Any = None
    counts: list[Tensor] = []
    trains: list[list[Tensor]] = [[] for _ in plan.all_layers]
    membranes = []
    dtype = torch.promote_types(current.dtype, torch.float32)
    for _ in range(num_steps):
        fired, state = advance(current, state)
        new = [x.to(dtype) for x in fired]
        counts = [n + x for n, x in zip(counts, new, strict=True)] if counts else new
        for i, train in enumerate(trains):
            if spikes or i == len(trains) - 1:
                train.append(fired[i].bool())
        membranes.append(output_membrane(state).to(dtype))
    q, q_spike = readouts(plan, torch.stack(trains[-1]), torch.stack(membranes))
    kept = tuple(torch.stack(train) for train in trains) if spikes else None
    return Record(num_steps, plan.layer_names, q, q_spike, tuple(counts), tuple(counts), kept)


def _face(
    network: nn.Module, plan: SpikingPlan, observations: Tensor
) -> tuple[Tensor, _Advance, Callable[[Any], Tensor]]:
    """The first current, the step, and where the output's membrane is in the state."""
    if isinstance(network, SNNTorchNetwork):
        current = network.encoder(observations)
        v_init = plan.output.cast(current.dtype, current.device).v_init
        return current, network.advance, lambda mems: mems[-1] + v_init
    from dqn2snn.neurons.norse import advance

    return network[0](observations), lambda x, state: advance(network, x, state), lambda state: state[-1].v  # type: ignore[index]
