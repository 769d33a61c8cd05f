"""The state of a spiking network between two steps, as a value."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

__all__ = ["NetworkState", "NeuronState"]


@dataclass(frozen=True, eq=False)
class NeuronState:
    """State of a layer of neurons.

    Attributes:
        membrane: v after the last step, `[B, *shape]`.
        count: N, spikes sent so far, those taken back subtracted, `[B, *shape]`.
    """

    membrane: Tensor
    count: Tensor


@dataclass(frozen=True, eq=False)
class NetworkState:
    """State of a batch of networks between two steps.

    Attributes:
        layers: Of the hidden layers, then of the output.
        current: Current of the first layer that was presented last, `[B, *shape]`; zero at rest.
    """

    layers: tuple[NeuronState, ...]
    current: Tensor
