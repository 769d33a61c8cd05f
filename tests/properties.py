"""Properties that every engine and every backend must have, as assertions."""

from __future__ import annotations

import torch
from torch import Tensor

from dqn2snn.dynamics.record import Record


def counts_after(record: Record, num_steps: int) -> tuple[Tensor, ...]:
    """Spikes of every neuron in the first steps of a record that kept its spikes; in all of them, those it counted."""
    if num_steps == record.num_steps:
        return record.counts
    assert record.spikes is not None
    return tuple(train[:num_steps].sum(0) for train in record.spikes)


def assert_same_counts(actual: Record, expected: Record) -> None:
    """Every neuron of every layer fired as often as in the first steps of the `expected` record."""
    pairs = zip(actual.layer_names, actual.counts, counts_after(expected, actual.num_steps), strict=True)
    wrong = {name: int((got != want).sum()) for name, got, want in pairs}
    assert not any(wrong.values()), f"neurons with another count after {actual.num_steps} steps: {wrong}"


def assert_same_spikes(actual: Record, expected: Record) -> None:
    """Every neuron of every layer fired at the same steps, and the counts add up."""
    assert actual.spikes is not None
    assert expected.spikes is not None
    pairs = zip(actual.layer_names, actual.spikes, expected.spikes, strict=True)
    wrong = {name: int((got != want[: actual.num_steps]).sum()) for name, got, want in pairs}
    assert not any(wrong.values()), f"differing spikes in {actual.num_steps} steps: {wrong}"
    assert_same_counts(actual, expected)


def assert_same_q_values(actual: Record, expected: Record) -> None:
    """Both readouts agree after every step up to the rounding of their last division."""
    for got, want in ((actual.q, expected.q), (actual.q_spike, expected.q_spike)):
        assert (got is None) == (want is None)
        if got is None or want is None:
            continue
        want = want[: actual.num_steps]
        scale = float(want.abs().max())
        torch.testing.assert_close(got.double(), want.double(), rtol=1e-5, atol=1e-6 * scale)
