"""The neuron that leaks or grows, and fires in steps of its own, as a cell of Norse."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from dqn2snn.dynamics.neuron import grown, kept
from dqn2snn.neurons._norse_graded import GradedIFCell
from dqn2snn.neurons.kinetics import Kinetics
from dqn2snn.neurons.staircase import spike_range


class ClockedIFState(NamedTuple):
    """State of such a neuron.

    Attributes:
        v: Membrane after the reset, `[B, *shape]`.
        n: Spikes sent so far, each by its worth, those taken back subtracted, `[B, *shape]`.
        step: Number of the next step of the decision, `[B]` int64.
    """

    v: Tensor
    n: Tensor
    step: Tensor


class ClockedIFCell(GradedIFCell):
    """A `GradedIFCell` whose membrane leaks or grows, and that counts the steps of a decision.

        v <- v_0 + beta (v - v_0) + I;    n <- max(beta, 1) n;    z = clip(floor(v / v_th), lowest, min(k, L - n))

    in steps delay <= t < delay + duration, z = 0 in others; then as in `GradedIFCell`.

    Args:
        v_th: Threshold; broadcasts over `[B, *shape]`.
        v_0: Membrane before the first step and at rest.
        kinetics: Leak or growth, delay and duration.
        **graded: Arguments of `GradedIFCell`.

    Example:
        >>> cell, state, spikes = ClockedIFCell(v_0=0.5, kinetics=Kinetics(beta=2.0), signed=True), None, []
        >>> for current in (0.75, 0.0, 0.0):
        ...     z, state = cell(torch.tensor([[current]]), state)
        ...     spikes.append(z.item())
        >>> spikes
        [1.0, 0.0, -1.0]
    """

    def __init__(
        self,
        v_th: float | Tensor = 1.0,
        v_0: float | Tensor = 0.0,
        *,
        kinetics: Kinetics,
        **graded: Any,
    ) -> None:
        super().__init__(v_th, v_0, **graded)
        self.kinetics = kinetics

    def forward(  # type: ignore[override]
        self, input_tensor: Tensor, state: ClockedIFState | None = None
    ) -> tuple[Tensor, ClockedIFState]:
        """Spikes and state after one step; `state=None` starts from `v_0`, with nothing sent."""
        before = self.initial_state(input_tensor) if state is None else state
        v = self.v_0 + kept(before.v - self.v_0, self.kinetics) + input_tensor
        n = grown(before.n, self.kinetics)
        allowed = spike_range(n.detach(), self.max_spikes, self.signed, self.max_count)
        z = self.spike_fn(v / self.v_th, *allowed) * self.kinetics.may_fire(before.step, v)
        return z, ClockedIFState(v - z * self.v_th, n + z, before.step + 1)

    def initial_state(self, input_tensor: Tensor) -> ClockedIFState:  # type: ignore[override]
        """State before the first step, for an input `[B, *shape]`."""
        nothing = torch.zeros_like(input_tensor)
        step = torch.zeros(len(input_tensor), dtype=torch.int64, device=input_tensor.device)
        return ClockedIFState(nothing + self.v_0, nothing, step)

    def extra_repr(self) -> str:
        """Threshold shape, kind and kinetics, in the representation of the module."""
        return f"{super().extra_repr()}, {self.kinetics}"
