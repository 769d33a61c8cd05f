"""Cost of a decision: synaptic operations of the spiking network, multiply-accumulates of the DQN."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dqn2snn.errors import ArgumentError

__all__ = ["synaptic_operations"]


@dataclass(frozen=True)
class OperationComparison:
    """Operations of one decision in both networks.

    Attributes:
        synaptic_operations: Accumulates caused by spikes, mean over the observations.
        input_macs: Multiply-accumulates of the first layer, whose input is not spikes but numbers. Under
            constant current they are done once per decision, whatever the number of steps.
        dqn_macs: Multiply-accumulates of the DQN: one per synapse, biases left out.
    """

    synaptic_operations: float
    input_macs: int
    dqn_macs: int

    @property
    def operations_ratio(self) -> float:
        """Operations of the spiking network, of either kind, per multiply-accumulate of the DQN."""
        return (self.synaptic_operations + self.input_macs) / self.dqn_macs


def synaptic_operations(counts: Sequence[Tensor], fan_outs: Sequence[Tensor]) -> Tensor:
    """Synaptic operations of each decision: sum over neurons of spikes times synapses out of the neuron.

    A spike costs one accumulate at each of its synapses (NeuroBench's effective accumulates, Yik et al.
    2025, arXiv 2304.04640).

    Args:
        counts: Per layer, [B, *shape] spikes sent in a decision; one of several units counts as that many.
        fan_outs: Per layer, [*shape] number of synapses out of each neuron; 0 for output neurons.

    Returns:
        [B] operations per decision, float64 on the CPU.

    Raises:
        ArgumentError: If the two do not fit each other.

    Example:
        >>> counts = [torch.tensor([[3.0, 0.0], [1.0, 1.0]])]
        >>> synaptic_operations(counts, [torch.tensor([10, 20])])
        tensor([30., 30.], dtype=torch.float64)
    """
    found = [tuple(c.shape) for c in counts], [tuple(f.shape) for f in fan_outs]
    if not counts or len(counts) != len(fan_outs) or any(c[1:] != f for c, f in zip(*found, strict=True)):
        raise ArgumentError(
            "Expected counts [B, *shape] and fan-outs [*shape], one of each per layer. "
            f"Found shapes {found[0]} and {found[1]}. Pass record.sent and plan.fan_out of the same layers."
        )
    layers = zip(counts, fan_outs, strict=True)
    operations = [(count.cpu().double() * fan_out.cpu()).flatten(1).sum(1) for count, fan_out in layers]
    return torch.stack(operations).sum(0)
