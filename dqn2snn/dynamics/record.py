"""The record of a simulation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import per_channel

__all__ = ["Record"]


@dataclass(frozen=True, eq=False)
class Record:
    """One simulation of a batch of decisions; it holds the answer for every number of steps up to its own.

    Attributes:
        num_steps: T.
        layer_names: The hidden layers, then the output.
        q: `[T, B, A]`, Q-values after 1..T steps by the robust rate, in the DQN's units.
        q_spike: `[T, B, A]`, the same by spike counts alone; None where output neurons do not fire.
        counts: Spikes of every neuron in T steps, those taken back subtracted, `[B, *shape]` for each layer. It is
            what the neuron has sent to the next layer; of a "delta" network, what it has sent since it was at rest; in
            digits, the number that they spell, in units of the last digit.
        sent: Spikes that were sent in these steps, whatever their sign, `[B, *shape]` for each layer. It is what
            they cost; equal to `counts` where no spike takes back another.
        spikes: `[T, B, *shape]` for each layer, if they were asked for; bool where neurons send one spike a step at
            most, int8 where they send several or take some back.
    """

    num_steps: int
    layer_names: tuple[str, ...]
    q: Tensor
    q_spike: Tensor | None
    counts: tuple[Tensor, ...]
    sent: tuple[Tensor, ...]
    spikes: tuple[Tensor, ...] | None = None

    @staticmethod
    def join(parts: Sequence[Record]) -> Record:
        """One record of several batches of the same network and number of steps."""
        first = parts[0]
        if len(parts) == 1:
            return first
        layers = range(len(first.counts))
        spikes = None
        if first.spikes is not None:
            spikes = tuple(
                torch.cat([part.spikes[i] for part in parts if part.spikes], dim=1) for i in layers
            )
        return Record(
            num_steps=first.num_steps,
            layer_names=first.layer_names,
            q=torch.cat([part.q for part in parts], dim=1),
            q_spike=_joined([part.q_spike for part in parts]),
            counts=tuple(torch.cat([part.counts[i] for part in parts]) for i in layers),
            sent=tuple(torch.cat([part.sent[i] for part in parts]) for i in layers),
            spikes=spikes,
        )


def _joined(parts: Sequence[Tensor | None]) -> Tensor | None:
    present = [part for part in parts if part is not None]
    return torch.cat(present, dim=1) if present else None


def readouts(
    plan: SpikingPlan, spikes: Tensor, membrane: Tensor, before: Tensor | float = 0.0
) -> tuple[Tensor, Tensor | None]:
    """Q-values after every step, by the robust rate and by spike counts.

    With N the spikes since rest, V the membrane after the reset and theta the threshold of the output neurons, the
    charge that has reached them is N theta + V - V(0), whatever they fired. What Q-values it stands for is the
    coding's to say.

    Args:
        plan: The spiking network.
        spikes: `[T, B, A]` of the output neurons.
        membrane: `[T, B, A]`, after the reset of each step.
        before: Spikes that the output neurons sent before these steps, `[B, A]`.

    Returns:
        tuple[Tensor, Tensor | None]: Q-values `[T, B, A]` each; None where spike counts say nothing.
    """
    output = plan.output
    theta, v_init = (per_channel(x, output.shape).to(membrane) for x in (output.threshold, output.v_init))
    counts = before + spikes.to(membrane.dtype).cumsum(0)
    charge = counts * theta + membrane - v_init
    return plan.coding.decode(plan, charge), plan.coding.decode_counts(plan, counts)
