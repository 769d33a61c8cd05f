"""Whether a contestant computes the right thing: its spike counts against the float64 reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dqn2snn.dynamics.record import Record
from dqn2snn.plan import SpikingPlan
from measuring.speed.peers.contestant import Simulation

__all__ = ["Check", "check", "differing_outputs"]

_FLOAT32 = 2.0**-22
"""Relative error that a Q-value may have from float32 arithmetic behind the last exact sum."""


@dataclass(frozen=True)
class Check:
    """The outcome for one contestant and one network.

    Attributes:
        compared: Spike counts compared.
        mismatches: Those that differ, for each hidden layer.
        outputs: Accumulated output currents compared.
        differing_outputs: Those that differ.
    """

    compared: int
    mismatches: tuple[int, ...]
    outputs: int
    differing_outputs: int

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not any(self.mismatches) and self.differing_outputs == 0

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "equal": self.equal,
            "counts": self.compared,
            "mismatches": list(self.mismatches),
            "outputs": self.outputs,
            "differing_outputs": self.differing_outputs,
        }


def check(simulation: Simulation, plan: SpikingPlan, observations: Tensor, reference: Record) -> Check | None:
    """Compare a simulation with the float64 reference.

    Args:
        simulation: The contestant's.
        plan: The spiking network.
        observations: `[B, *shape]`.
        reference: What `simulate_reference` makes of them.

    Returns:
        Check | None: The outcome; None for somebody without spikes.
    """
    if simulation.counts is None:
        return None
    steps = reference.num_steps
    counts = simulation.counts(observations, steps)
    expected = reference.counts[: len(counts)]
    return Check(
        compared=sum(count.numel() for count in expected),
        mismatches=tuple(
            int((found.reshape(count.shape) != count).sum())
            for found, count in zip(counts, expected, strict=True)
        ),
        outputs=reference.q[-1].numel(),
        differing_outputs=differing_outputs(plan, simulation.q(observations, steps), reference.q[-1], steps),
    )


def differing_outputs(plan: SpikingPlan, found: Tensor, expected: Tensor, num_steps: int) -> int:
    """How many Q-values differ by half a step of the output layer's grid, or more.

    A Q-value is the sum of all output currents, a multiple of that step, times a constant. One spike more or less is
    at least one step.

    Args:
        plan: The spiking network.
        found: `[B, A]`.
        expected: `[B, A]`.
        num_steps: T.

    Returns:
        int: The number.
    """
    bits = 0 if plan.output.fraction_bits is None else plan.output.fraction_bits
    theta = float(plan.output.threshold.mean())
    steps_of_grid = num_steps * theta / plan.readout_scale * 2.0**bits
    gap = (found.double() - expected.double()).abs() * steps_of_grid
    allowed = 0.5 + _FLOAT32 * expected.double().abs() * steps_of_grid
    return int((torch.nan_to_num(gap, nan=torch.inf) >= allowed).sum())
