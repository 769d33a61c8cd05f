"""Spiking Q-networks of Norse cells."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dqn2snn._utils.extras import require
from dqn2snn._utils.host import on_host
from dqn2snn.neurons._norse_clocked import ClockedIFCell
from dqn2snn.neurons._norse_graded import GradedIFCell
from dqn2snn.neurons._norse_if import IFCell
from dqn2snn.neurons._norse_inputs import DifferenceCell, OnsetCell, StepBiasCell
from dqn2snn.neurons.kinetics import Kinetics
from dqn2snn.neurons.step_currents import StepCurrents
from dqn2snn.neurons.supported import check_supported
from dqn2snn.neurons.synapses import CurrentEncoder, synapses_of
from dqn2snn.plan import PlanOrNetwork, SpikingLayer, plan_of
from dqn2snn.plan.graph import per_channel

__all__ = ["ClockedIFCell", "GradedIFCell", "IFCell", "reset_rows", "to_norse"]

_norse = require("norse.torch", extra="norse")

NEURONS = (IFCell, GradedIFCell)
CELLS = (*NEURONS, DifferenceCell, OnsetCell, StepBiasCell)


@on_host()
def to_norse(plan: PlanOrNetwork) -> Any:
    """The spiking network of a plan as a `norse.torch.SequentialState`, in float32 on the CPU.

    Its modules are the encoder, then cells and stock torch modules in order; the last cell is the output. One call
    is one step, `spikes, state = net(observations, state)`, and `norse.torch.Lift(net)` runs over time.

    A "delta" network keeps its state for an episode; `reset_rows` begins a new one in some rows of a batch. Its last
    cell counts: its Q-values are `readout_scale * (state[-1].n + state[-1].v / net[-1].v_th)`.

    Args:
        plan: The spiking network, or its plan.

    Returns:
        A `norse.torch.SequentialState`.

    Raises:
        PlanError: If there are no modules for the plan: its spikes are times.

    Example:
        >>> import dqn2snn
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> snn_net = to_norse(dqn2snn.convert(net, torch.rand(64, 4), num_steps=16).plan)
        >>> spikes, state = snn_net(torch.rand(3, 4))
        >>> spikes.shape, state[-1].v.shape
        (torch.Size([3, 2]), torch.Size([3, 2]))
    """
    plan = plan_of(plan)
    check_supported(plan)
    coding = plan.coding
    modules: list[nn.Module] = [CurrentEncoder(plan)]
    if coding.once:
        modules.append(DifferenceCell())
    if coding.onset:
        modules.append(OnsetCell())
    for i, layer in enumerate(plan.all_layers):
        if i > 0:
            modules.extend(synapses_of(plan, layer))
            if (currents := StepCurrents.of(layer, onset=coding.onset)) is not None:
                modules.append(StepBiasCell(currents))
        modules.append(_cell(layer, counted=coding.persistent and layer is plan.output))
    return _norse.SequentialState(*modules)


def _cell(layer: SpikingLayer, *, counted: bool) -> IFCell | GradedIFCell:
    """Neurons of a layer; those whose spikes have to be `counted` for the readout do so themselves."""
    v_th = per_channel(layer.threshold, layer.shape).float()
    v_0 = per_channel(layer.v_init, layer.shape).float()
    if layer.plain and layer.steady and not counted:
        return IFCell(v_th, v_0, reset=layer.reset)
    graded: dict[str, Any] = {
        "max_spikes": layer.max_spikes,
        "signed": layer.signed,
        "max_count": layer.max_count,
    }
    if layer.steady:
        return GradedIFCell(v_th, v_0, **graded)
    return ClockedIFCell(v_th, v_0, kinetics=Kinetics.of(layer), **graded)


def reset_rows(net: Any, state: list[Any], episode_start: Tensor) -> list[Any]:
    """Begin anew in the rows of a batch where an episode begins, and go on in the others.

    Args:
        net: A `SequentialState` as `to_norse` makes it, or one in which it is nested; cells of other kinds go on.
        state: State of its modules; it is not changed.
        episode_start: Whether an episode begins, `[B]` bool.

    Returns:
        list[Any]: A new state.

    Example:
        >>> net = _norse.SequentialState(nn.Identity(), GradedIFCell())
        >>> _, state = net(torch.full((2, 1), 1.5))
        >>> reset_rows(net, state, torch.tensor([True, False]))[1].n.tolist()
        [[0.0], [1.0]]
    """
    return [_begun(module, before, episode_start) for module, before in zip(net, state, strict=True)]


def _begun(module: nn.Module, state: Any, episode_start: Tensor) -> Any:
    if isinstance(module, _norse.SequentialState) and state is not None:
        return reset_rows(module, state, episode_start)
    if not isinstance(module, CELLS) or state is None:
        return state
    fresh = module.initial_state(state[0])
    rows = [episode_start.reshape(-1, *(1 for _ in old.shape[1:])) for old in state]
    return type(state)(*map(torch.where, rows, fresh, state))
