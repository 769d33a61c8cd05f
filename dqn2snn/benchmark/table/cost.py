"""What decisions cost: spikes and synaptic operations."""

from __future__ import annotations

import torch
from torch import Tensor

from dqn2snn.metrics import synaptic_operations
from dqn2snn.plan import SpikingPlan
from dqn2snn.record import Record

__all__ = ["Cost"]


class Cost:
    """Adds up what the hidden layers of a network send, decision by decision.

    A graded spike counts as many times as its size, and one that takes another back counts like any other.

    Args:
        plan: The spiking network.
    """

    def __init__(self, plan: SpikingPlan) -> None:
        self._fan_outs = [plan.fan_out(layer) for layer in range(len(plan.layers))]
        self._neurons = sum(layer.affine.neurons for layer in plan.layers)
        self._decisions = 0
        self._spikes = self._operations = 0.0

    def add(self, record: Record, where: Tensor | None = None) -> None:
        """Take a batch of decisions into account.

        Args:
            record: Of the decisions.
            where: Which of them count, `[B]` bool; all by default.
        """
        sent = [layer.cpu() if where is None else layer.cpu()[where] for layer in record.sent[:-1]]
        self._decisions += len(sent[0])
        self._spikes += sum(float(layer.sum(dtype=torch.float64)) for layer in sent)
        self._operations += float(synaptic_operations(sent, self._fan_outs).sum())

    def to_dict(self) -> dict[str, float | None]:
        """Means over the decisions, for JSON; None where there were none."""
        if not self._decisions:
            return {"spikes": None, "spikes_per_neuron": None, "operations": None}
        spikes = self._spikes / self._decisions
        return {
            "spikes": spikes,
            "spikes_per_neuron": spikes / self._neurons,
            "operations": self._operations / self._decisions,
        }
