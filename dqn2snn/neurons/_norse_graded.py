"""The integrate-and-fire neuron with signed and with several spikes a step, as a cell of Norse."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from dqn2snn._utils.extras import require
from dqn2snn.neurons.buffers import neuron_buffers
from dqn2snn.neurons.staircase import Staircase, spike_range

_snn = require("norse.torch.module.snn", extra="norse")


class GradedIFParameters(NamedTuple):
    """Parameters of an integrate-and-fire neuron whose spikes are whole numbers.

    Attributes:
        v_th: Threshold; broadcasts over `[B, *shape]`.
        v_0: Membrane before the first step.
        max_spikes: k, spikes that a neuron sends in one step at most.
        signed: Whether negative spikes take back earlier ones.
        max_count: L, spikes that a neuron has sent at most, those taken back subtracted; None for no limit.
        spike_fn: Firing function of v / v_th, lowest and highest.
    """

    v_th: Tensor = torch.as_tensor(1.0)
    v_0: Tensor = torch.as_tensor(0.0)
    max_spikes: int = 1
    signed: bool = False
    max_count: int | None = None
    spike_fn: Callable[[Tensor, Tensor, Tensor], Tensor] = Staircase()


class GradedIFState(NamedTuple):
    """State of such a neuron.

    Attributes:
        v: Membrane after the reset, `[B, *shape]`.
        n: Spikes sent so far, those taken back subtracted, `[B, *shape]`.
    """

    v: Tensor
    n: Tensor


def graded_if_feed_forward_step(
    input_tensor: Tensor, state: GradedIFState, p: GradedIFParameters, dt: float = 0.001
) -> tuple[Tensor, GradedIFState]:
    """One step of a neuron that sends up to k spikes, takes some back if it is signed, and counts them.

        v += I;    z = clip(floor(v / v_th), -min(k, n) if signed else 0, min(k, L - n));    v -= z v_th;    n += z

    Args:
        input_tensor: Current I, `[B, *shape]`.
        state: State after the previous step.
        p: Parameters.
        dt: Ignored, since the neuron does not leak; there as in every Norse step.

    Returns:
        tuple[Tensor, GradedIFState]: Spikes, whole numbers, and the new state.

    Example:
        >>> state = GradedIFState(torch.zeros(1), torch.zeros(1))
        >>> graded_if_feed_forward_step(torch.tensor([2.5]), state, GradedIFParameters(max_spikes=4))
        (tensor([2.]), GradedIFState(v=tensor([0.5000]), n=tensor([2.])))
    """
    v = state.v + input_tensor
    z = p.spike_fn(v / p.v_th, *spike_range(state.n.detach(), p.max_spikes, p.signed, p.max_count))
    return z, GradedIFState(v - z * p.v_th, state.n + z)


class GradedIFCell(_snn.SNNCell):  # type: ignore[misc, name-defined]
    """Integrate-and-fire neuron of Norse without time, with signed and with several spikes a step.

    With k > 1 it sends bursts (Li and Zeng 2022, arXiv 2204.13271). If it is signed, it takes spikes back once its
    membrane is below zero, as the ST-BIF neuron does (You et al. 2024, SpikeZIP-TF, arXiv 2406.03470), whose "tracer"
    is n.

    Args:
        v_th: Threshold; broadcasts over `[B, *shape]`.
        v_0: Membrane before the first step.
        max_spikes: k, spikes that a neuron sends in one step at most.
        signed: Whether negative spikes take back earlier ones.
        max_count: L, spikes that a neuron has sent at most, those taken back subtracted; None for no limit.
        spike_fn: Firing function of v / v_th, lowest and highest.
        dt: Ignored; kept for Norse.

    Example:
        >>> cell = GradedIFCell(max_spikes=4, signed=True)
        >>> z, state = cell(torch.tensor([2.5]))
        >>> z, state = cell(torch.tensor([-1.0]), state)
        >>> z.item(), state.v.item(), state.n.item()
        (-1.0, 0.5, 1.0)
    """

    v_th: Tensor
    v_0: Tensor

    def __init__(
        self,
        v_th: float | Tensor = 1.0,
        v_0: float | Tensor = 0.0,
        *,
        max_spikes: int = 1,
        signed: bool = False,
        max_count: int | None = None,
        spike_fn: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None,
        dt: float = 0.001,
    ) -> None:
        super().__init__(activation=graded_if_feed_forward_step, state_fallback=_no_fallback, p=None, dt=dt)
        theta, start = neuron_buffers(v_th, v_0)
        self.register_buffer("v_th", theta)
        self.register_buffer("v_0", start)
        self.max_spikes, self.signed, self.max_count = max_spikes, signed, max_count
        self.spike_fn = Staircase() if spike_fn is None else spike_fn

    def forward(
        self, input_tensor: Tensor, state: GradedIFState | None = None
    ) -> tuple[Tensor, GradedIFState]:
        """Spikes and state after one step; `state=None` starts from `v_0`, with nothing sent."""
        before = self.initial_state(input_tensor) if state is None else state
        parameters = GradedIFParameters(
            self.v_th, self.v_0, self.max_spikes, self.signed, self.max_count, self.spike_fn
        )
        return graded_if_feed_forward_step(input_tensor, before, parameters, self.dt)

    def initial_state(self, input_tensor: Tensor) -> GradedIFState:
        """State before the first step, for an input `[B, *shape]`."""
        nothing = torch.zeros_like(input_tensor)
        return GradedIFState(nothing + self.v_0, nothing)

    def extra_repr(self) -> str:
        """Threshold shape and kind, in the representation of the module."""
        kind = f"max_spikes={self.max_spikes}, signed={self.signed}, max_count={self.max_count}"
        return f"v_th={tuple(self.v_th.shape)}, {kind}"


def _no_fallback(input_tensor: Tensor) -> GradedIFState:
    raise NotImplementedError("Graded IF cells make their initial state from their own v_0.")
