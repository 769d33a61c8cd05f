"""What decisions cost: spikes and synaptic operations."""

from __future__ import annotations

import torch
from torch import Tensor

from dqn2snn.dynamics.record import Record
from dqn2snn.metrics import synaptic_operations
from dqn2snn.plan import SpikingPlan

__all__ = ["Cost"]


class Cost:
    """Adds up what the hidden layers of a network send, decision by decision.

    A graded spike counts as many times as its size, and one that takes another back counts like any other.

    Args:
        plan: The spiking network.
    """

    def __init__(self, plan: SpikingPlan) -> None:
        self._fan_outs = [plan.fan_out(layer) for layer in range(len(plan.layers))]
        self._sent = [torch.zeros_like(fan_out, dtype=torch.float64) for fan_out in self._fan_outs]
        self._decisions = 0

    def add(self, record: Record, where: Tensor | None = None) -> None:
        """Take a batch of decisions into account.

        Args:
            record: Of the decisions.
            where: Which of them count, `[B]` bool; all by default.
        """
        self._decisions += record.q.shape[1] if where is None else int(where.sum())
        for total, layer in zip(self._sent, record.sent, strict=False):
            total += (layer if where is None else layer[where]).sum(0)

    def to_dict(self) -> dict[str, float | None]:
        """Means over the decisions, for JSON; None where there were none."""
        if not self._decisions:
            return {"spikes": None, "spikes_per_neuron": None, "operations": None}
        spikes = sum(float(total.sum()) for total in self._sent) / self._decisions
        everybody = synaptic_operations([total[None] for total in self._sent], self._fan_outs)
        return {
            "spikes": spikes,
            "spikes_per_neuron": spikes / sum(total.numel() for total in self._sent),
            "operations": float(everybody) / self._decisions,
        }
