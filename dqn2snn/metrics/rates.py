"""How the layers of a spiking network fire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from dqn2snn.errors import ArgumentError

__all__ = ["firing_rates", "saturated_fraction", "silent_fraction"]


class SpikeRecord(Protocol):
    """The part of a record that the rates need: the spikes that every layer sent."""

    @property
    def num_steps(self) -> int:
        """Number of steps T."""

    @property
    def sent(self) -> Sequence[Tensor]:
        """One tensor [B, *shape] of spikes sent in T steps, whatever their sign, per layer."""

    @property
    def layer_names(self) -> Sequence[str]:
        """One name per layer."""


def firing_rates(record: SpikeRecord) -> dict[str, Tensor]:
    """Firing rate of every neuron, in spikes per step, averaged over the observations.

    ``rates[name].mean()`` is the layer's rate and ``rates[name] == 0`` its neurons that never fired.

    Args:
        record: A run, as ``snn.record(observations)`` returns it.

    Returns:
        By layer name, rates [*shape], float64 on the CPU; up to 1 where a neuron sends one spike a step at most.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace
        >>> counts = (torch.tensor([[4.0, 0.0], [2.0, 0.0]]),)
        >>> firing_rates(SimpleNamespace(num_steps=4, sent=counts, layer_names=("fc1",)))
        {'fc1': tensor([0.7500, 0.0000], dtype=torch.float64)}
    """
    return {name: counts.double().mean(0) / record.num_steps for name, counts in _layers(record)}


def silent_fraction(record: SpikeRecord) -> dict[str, float]:
    """Share of neurons that did not fire in a decision, averaged over the decisions.

    Silence is what makes a spiking network cheap, and it costs accuracy only where the DQN's unit was
    active, at too few steps.

    Args:
        record: A run, as ``snn.record(observations)`` returns it.

    Returns:
        By layer name, the share in [0, 1].

    Example:
        >>> import torch
        >>> from types import SimpleNamespace
        >>> counts = (torch.tensor([[4.0, 0.0], [2.0, 0.0]]),)
        >>> silent_fraction(SimpleNamespace(num_steps=4, sent=counts, layer_names=("fc1",)))
        {'fc1': 0.5}
    """
    return {name: (counts == 0).double().mean().item() for name, counts in _layers(record)}


def saturated_fraction(record: SpikeRecord, max_spikes: int = 1) -> dict[str, float]:
    """Share of neurons that sent as many spikes as they can in a decision, averaged over the decisions.

    Such a neuron may hide an activation above its threshold. With the percentile p of the calibration at
    99.9 up to about one in a thousand is to be expected; far more means that the calibration observations are
    not like these.

    Args:
        record: A run, as ``snn.record(observations)`` returns it.
        max_spikes: Spikes that a neuron sends in one step at most.

    Returns:
        By layer name, the share in [0, 1].

    Example:
        >>> import torch
        >>> from types import SimpleNamespace
        >>> counts = (torch.tensor([[4.0, 0.0], [2.0, 0.0]]),)
        >>> saturated_fraction(SimpleNamespace(num_steps=4, sent=counts, layer_names=("fc1",)))
        {'fc1': 0.25}
    """
    most = record.num_steps * max_spikes
    return {name: (counts == most).double().mean().item() for name, counts in _layers(record)}


def _layers(record: SpikeRecord) -> list[tuple[str, Tensor]]:
    if len(record.sent) != len(record.layer_names) or any(counts.numel() == 0 for counts in record.sent):
        raise ArgumentError(
            f"Expected one name and a non-empty tensor of counts per layer. Found {len(record.layer_names)} "
            f"names and counts of shapes {[tuple(counts.shape) for counts in record.sent]}. "
            "Pass what snn.record(observations) returns."
        )
    return [(name, counts.cpu()) for name, counts in zip(record.layer_names, record.sent, strict=True)]
