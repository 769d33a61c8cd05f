"""Arrays that the engine writes a record to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dqn2snn.dynamics.record import Record
from dqn2snn.plan import SpikingLayer, SpikingPlan


@dataclass(frozen=True, eq=False)
class RecordArrays:
    """Results by their names in the extension.

    Attributes:
        q: `[T, B, A]`.
        q_spike: `[T, B, A]`; None where output neurons do not fire.
        counts: `[B, *shape]` of each layer.
        sent: Spikes of either sign, None where it is equal to `counts`.
        spikes: `[T, B, *shape]` of each layer, if they are kept.
    """

    q: NDArray[np.float32]
    q_spike: NDArray[np.float32] | None
    counts: list[NDArray[np.float32]]
    sent: list[NDArray[np.float32] | None]
    spikes: list[NDArray[np.int8]] | None

    @staticmethod
    def empty(
        plan: SpikingPlan, batch: int, num_steps: int, *, spikes: bool, remembers: bool
    ) -> RecordArrays:
        """Arrays for a batch of decisions; of a network that `remembers`, counts are those of earlier ones as well."""
        layers = plan.all_layers
        q, q_spike = (np.empty((num_steps, batch, plan.num_actions), np.float32) for _ in range(2))
        counts = [np.empty((batch, *layer.shape), np.float32) for layer in layers]
        return RecordArrays(
            q=q,
            q_spike=None if plan.output.duration == 0 else q_spike,
            counts=counts,
            sent=[
                np.empty_like(count) if remembers or layer.signed or layer.growth != 1 else None
                for layer, count in zip(layers, counts, strict=True)
            ],
            spikes=[np.empty((num_steps, batch, *layer.shape), np.int8) for layer in layers]
            if spikes
            else None,
        )

    def record(self, plan: SpikingPlan) -> Record:
        """The record of the arrays, without a copy where possible."""
        counts = [torch.from_numpy(count) for count in self.counts]
        return Record(
            num_steps=len(self.q),
            layer_names=plan.layer_names,
            q=plan.coding.read(plan, torch.from_numpy(self.q)),
            q_spike=None if self.q_spike is None else plan.coding.read(plan, torch.from_numpy(self.q_spike)),
            counts=tuple(counts),
            sent=tuple(
                count if sent is None else torch.from_numpy(sent)
                for count, sent in zip(counts, self.sent, strict=True)
            ),
            spikes=None if self.spikes is None else tuple(map(_train, plan.all_layers, self.spikes)),
        )


def _train(layer: SpikingLayer, spikes: NDArray[np.int8]) -> Tensor:
    train = torch.from_numpy(spikes)
    return train.bool() if layer.plain else train
