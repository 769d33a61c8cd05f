"""Latency coding: one spike per neuron, told by its time.

In its window of T steps a neuron that is to tell n out of T levels fires at step T - n, for n = 0 not at all. From then
until the end of the window each of its synapses passes its weight as a current, n times; `dqn2snn.engine.latency` has
the equations.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from dqn2snn.dynamics.codings.rate import steps_of
from dqn2snn.dynamics.state import at_rest
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.coding import Coding
from dqn2snn.plan.graph import per_channel
from dqn2snn.plan.state import NetworkState


class LatencyCoding(Coding):
    """A large activation fires early (Stanojevic et al., Neural Networks 2023, arXiv 2212.12522).

    Example:
        >>> CODING.windowed, CODING.counted
        (True, False)
    """

    name = "latency"
    windowed = True
    counted = False

    def drive(self, current: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """The current itself, at every step of the window before the first layer's."""
        return current, current

    def worth(self, plan: SpikingPlan) -> Tensor:
        """The part of the window that is left when a spike comes."""
        return torch.arange(plan.num_steps, 0, -1, dtype=torch.float64) / plan.num_steps

    def quanta(self, num_steps: int) -> int:
        """As many levels as the window has steps."""
        return num_steps

    def decode(self, plan: SpikingPlan, charge: Tensor) -> Tensor:
        """`readout_scale` times the charge per step of the last window and threshold."""
        theta = per_channel(plan.output.threshold, plan.output.shape).to(charge)
        return plan.readout_scale * (charge / (steps_of(charge) * theta))

    def decode_counts(self, plan: SpikingPlan, counts: Tensor) -> Tensor:
        """Q-values of the spikes' part of the charge: the output neurons integrate and fire."""
        return plan.readout_scale * (counts / steps_of(counts))

    def between(self, plan: SpikingPlan, state: NetworkState) -> NetworkState:
        """Rest."""
        return at_rest(plan, len(state.current))


CODING: Final = LatencyCoding()
