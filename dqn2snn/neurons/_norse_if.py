"""The integrate-and-fire neuron as a cell of Norse."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from dqn2snn._utils.extras import require
from dqn2snn.neurons.buffers import neuron_buffers
from dqn2snn.neurons.surrogate import FireAtThreshold
from dqn2snn.plan import Reset

_snn = require("norse.torch.module.snn", extra="norse")
_reset = require("norse.torch.functional.reset", extra="norse")


class IFParameters(NamedTuple):
    """Parameters of an integrate-and-fire neuron.

    Attributes:
        v_th: Threshold; broadcasts over `[B, *shape]`.
        v_0: Membrane before the first step.
        reset_method: Norse's `reset_subtract` or `reset_value`.
        spike_fn: Firing function of v - v_th.
    """

    v_th: Tensor = torch.as_tensor(1.0)
    v_0: Tensor = torch.as_tensor(0.0)
    reset_method: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] = _reset.reset_subtract
    spike_fn: Callable[[Tensor], Tensor] = FireAtThreshold()


class IFState(NamedTuple):
    """State of an integrate-and-fire neuron: its membrane `v` after the reset, `[B, *shape]`."""

    v: Tensor


def if_feed_forward_step(
    input_tensor: Tensor, state: IFState, p: IFParameters, dt: float = 0.001
) -> tuple[Tensor, IFState]:
    """One step: `v += I; z = v >= v_th; v = reset(z, v, v_0, v_th)`.

    Args:
        input_tensor: Current I, `[B, *shape]`.
        state: State after the previous step.
        p: Parameters.
        dt: Ignored, since the neuron does not leak; there as in every Norse step.

    Returns:
        tuple[Tensor, IFState]: Spikes and the new state.

    Example:
        >>> if_feed_forward_step(torch.tensor([2.5]), IFState(torch.zeros(1)), IFParameters())
        (tensor([1.]), IFState(v=tensor([1.5000])))
    """
    v = state.v + input_tensor
    z = p.spike_fn(v - p.v_th)
    return z, IFState(p.reset_method(z, v, p.v_0, p.v_th))


class IFCell(_snn.SNNCell):  # type: ignore[misc, name-defined]
    """Integrate-and-fire neuron of Norse without time, with soft or hard reset.

    Norse's own `IAFCell` has the hard reset only. Here thresholds and initial membranes are buffers, so that they move
    with `.to()` and are part of the state_dict. `norse.torch.Lift` runs a cell over time.

    Args:
        v_th: Threshold; broadcasts over `[B, *shape]`.
        v_0: Membrane before the first step.
        reset: "subtract" or "zero" (back to `v_0`).
        spike_fn: Firing function of v - v_th.
        dt: Ignored; kept for Norse.

    Example:
        >>> cell = IFCell()
        >>> z, state = cell(torch.tensor([0.75]))
        >>> z, state = cell(torch.tensor([0.75]), state)
        >>> z.item(), state.v.item()
        (1.0, 0.5)
    """

    v_th: Tensor
    v_0: Tensor

    def __init__(
        self,
        v_th: float | Tensor = 1.0,
        v_0: float | Tensor = 0.0,
        *,
        reset: Reset = "subtract",
        spike_fn: Callable[[Tensor], Tensor] | None = None,
        dt: float = 0.001,
    ) -> None:
        super().__init__(activation=if_feed_forward_step, state_fallback=_no_fallback, p=None, dt=dt)
        theta, start = neuron_buffers(v_th, v_0)
        self.register_buffer("v_th", theta)
        self.register_buffer("v_0", start)
        self.reset = reset
        self.spike_fn = FireAtThreshold() if spike_fn is None else spike_fn

    def forward(self, input_tensor: Tensor, state: IFState | None = None) -> tuple[Tensor, IFState]:
        """Spikes and state after one step; `state=None` starts from `v_0`."""
        before = self.initial_state(input_tensor) if state is None else state
        method = _reset.reset_subtract if self.reset == "subtract" else _reset.reset_value
        parameters = IFParameters(self.v_th, self.v_0, method, self.spike_fn)
        return if_feed_forward_step(input_tensor, before, parameters, self.dt)

    def initial_state(self, input_tensor: Tensor) -> IFState:
        """State before the first step, for an input `[B, *shape]`."""
        return IFState(torch.zeros_like(input_tensor) + self.v_0)

    def extra_repr(self) -> str:
        """Threshold shape and reset, in the representation of the module."""
        return f"v_th={tuple(self.v_th.shape)}, reset={self.reset!r}"


def _no_fallback(input_tensor: Tensor) -> IFState:
    raise NotImplementedError("IF cells make their initial state from their own v_0.")
