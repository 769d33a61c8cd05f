"""Norse: `spikes, state = SequentialState(...)(current, state)` in a step loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dqn2snn.plan import SpikingPlan
from measuring.speed.peers.contestant import Simulation, library, peers
from measuring.speed.peers.modules import simulation, synapses_of, threshold_of

__all__ = ["CONTESTANTS"]

_PIP = "--no-deps norse && pip install nir nirtorch"


def _stock(plan: SpikingPlan) -> list[nn.Module]:
    norse = library("norse.torch", _PIP)
    # Parameters of their own: IAFCell hands out the tensor v_reset of its default as every cell's first state.
    return [
        norse.IAFCell(norse.IAFParameters(torch.tensor(threshold_of(plan)), torch.tensor(0.0)))
        for _ in plan.layers
    ]


def _own(plan: SpikingPlan) -> list[nn.Module]:
    library("norse.torch", _PIP)
    return [library("dqn2snn.neurons.norse", _PIP).IFCell(threshold_of(plan)) for _ in plan.layers]


def _loop(
    neurons_of: Callable[[SpikingPlan], Sequence[nn.Module]],
) -> Callable[[SpikingPlan, bool], Simulation]:
    def make(plan: SpikingPlan, once: bool) -> Simulation:
        synapses, neurons = synapses_of(plan, once), neurons_of(plan)
        net = library("norse.torch", _PIP).SequentialState(*synapses.interleaved(neurons))

        def run(observations: Tensor, num_steps: int) -> Tensor:
            state: Any = None
            total = torch.zeros(())
            for current in synapses.currents(observations, num_steps):
                out, state = net(current, state)
                total = total + out
            return total

        return simulation(plan, run, neurons, None)

    return make


CONTESTANTS = (
    *peers("norse", "norse", "IAFCell (reset to zero), step loop", _loop(_stock)),
    *peers("norse-if", "norse", "dqn2snn.neurons.norse.IFCell, step loop", _loop(_own), kind="modules"),
)
