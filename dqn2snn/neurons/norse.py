"""Spiking Q-networks of Norse cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dqn2snn._extras import require
from dqn2snn._host import on_host
from dqn2snn.graph import per_channel
from dqn2snn.neurons.buffers import neuron_buffers
from dqn2snn.neurons.surrogate import FireAtThreshold
from dqn2snn.neurons.synapses import CurrentEncoder, synapse_modules
from dqn2snn.plan import Reset, SpikingLayer, SpikingPlan

__all__ = ["IF", "IFCell", "IFParameters", "IFState", "advance", "if_feed_forward_step", "to_norse"]

_norse = require("norse.torch", extra="norse")
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

    Norse's own `IAFCell` knows the hard reset only. Here thresholds and initial membranes are buffers, so that they
    move with `.to()` and are part of the state_dict.

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
        return if_feed_forward_step(
            input_tensor, _started(self, input_tensor, state), _parameters(self), self.dt
        )

    def extra_repr(self) -> str:
        """Threshold shape and reset, in the representation of the module."""
        return f"v_th={tuple(self.v_th.shape)}, reset={self.reset!r}"


class IF(_snn.SNN):  # type: ignore[misc, name-defined]
    """The same neuron over time: `[T, B, *shape] -> [T, B, *shape]`.

    Args:
        v_th: Threshold; broadcasts over `[B, *shape]`.
        v_0: Membrane before the first step.
        reset: "subtract" or "zero" (back to `v_0`).
        spike_fn: Firing function of v - v_th.
        dt: Ignored; kept for Norse.

    Example:
        >>> z, state = IF()(torch.full((4, 1), 0.5))
        >>> z.flatten().tolist()
        [0.0, 1.0, 0.0, 1.0]
    """

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
        self.cell = IFCell(v_th, v_0, reset=reset, spike_fn=spike_fn, dt=dt)

    def forward(self, input_tensor: Tensor, state: IFState | None = None) -> tuple[Tensor, IFState]:
        """Spikes `[T, B, *shape]` and the state after the last step."""
        outputs = []
        for current in input_tensor:
            z, state = self.cell(current, state)
            outputs.append(z)
        assert state is not None
        return torch.stack(outputs), state


@on_host()
def to_norse(plan: SpikingPlan) -> Any:
    """The spiking network of a plan as a `norse.torch.SequentialState`, in float32 on the CPU.

    Its modules are the encoder, then cells and stock torch modules in order; the last cell is the output. One call
    is one step, `spikes, state = net(observations, state)`, and `norse.torch.Lift(net)` runs over time.

    Args:
        plan: The spiking network.

    Returns:
        A `norse.torch.SequentialState`.

    Example:
        >>> import dqn2snn
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> snn_net = to_norse(dqn2snn.convert(net, torch.rand(64, 4), num_steps=16).plan)
        >>> spikes, state = snn_net(torch.rand(3, 4))
        >>> spikes.shape, state[-1].v.shape
        (torch.Size([3, 2]), torch.Size([3, 2]))
    """
    modules: list[nn.Module] = [CurrentEncoder(plan)]
    for i, layer in enumerate(plan.all_layers):
        if i > 0:
            modules.extend(synapse_modules(layer.affine))
        modules.append(_cell(layer))
    return _norse.SequentialState(*modules)


def _cell(layer: SpikingLayer) -> IFCell:
    return IFCell(
        per_channel(layer.threshold, layer.shape).float(),
        per_channel(layer.v_init, layer.shape).float(),
        reset=layer.reset,
    )


def _parameters(cell: IFCell) -> IFParameters:
    method = _reset.reset_subtract if cell.reset == "subtract" else _reset.reset_value
    return IFParameters(cell.v_th, cell.v_0, method, cell.spike_fn)


def _started(cell: IFCell, input_tensor: Tensor, state: IFState | None) -> IFState:
    return IFState(torch.zeros_like(input_tensor) + cell.v_0) if state is None else state


def _no_fallback(input_tensor: Tensor) -> IFState:
    raise NotImplementedError("IF cells make their initial state from their own v_0.")


def advance(net: Any, current: Tensor, state: list[Any] | None) -> tuple[list[Tensor], list[Any]]:
    """One step behind the encoder of a `to_norse` network, with the spikes of every layer.

    Args:
        net: The `SequentialState`.
        current: What its encoder, `net[0]`, gives.
        state: State of the modules behind the encoder, or None for the initial one.

    Returns:
        tuple[list[Tensor], list[Any]]: Spikes of all layers, and the state.
    """
    modules = list(net)[1:]
    before = [None] * len(modules) if state is None else state
    spikes: list[Tensor] = []
    after: list[Any] = []
    x = current
    for module, module_state in zip(modules, before, strict=True):
        if isinstance(module, IFCell):
            x, module_state = module(x, module_state)
            spikes.append(x)
        else:
            x = module(x)
        after.append(module_state)
    return spikes, after
