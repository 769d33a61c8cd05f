"""Norse as a backend."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from dqn2snn.neurons._norse_clocked import ClockedIFCell
from dqn2snn.neurons._norse_graded import GradedIFCell, GradedIFState
from dqn2snn.neurons._norse_if import IFState
from dqn2snn.neurons._norse_inputs import DifferenceCell, DifferenceState
from dqn2snn.neurons.backends._backend import Backend
from dqn2snn.neurons.norse import CELLS, NEURONS, to_norse
from dqn2snn.plan.state import NetworkState


class _Adapter:
    """A named tuple, or None, for every module behind the encoder."""

    def __init__(self, network: Any) -> None:
        self.encoder: nn.Module = network[0]
        self._modules: list[nn.Module] = list(network)[1:]
        self._neurons = [i for i, module in enumerate(self._modules) if isinstance(module, NEURONS)]

    def advance(self, current: Tensor, state: list[Any] | None) -> tuple[list[Tensor], list[Any]]:
        before = [None] * len(self._modules) if state is None else state
        spikes: list[Tensor] = []
        after: list[Any] = []
        x = current
        for module, module_state in zip(self._modules, before, strict=True):
            if isinstance(module, CELLS):
                x, module_state = module(x, module_state)
            else:
                x = module(x)
            if isinstance(module, NEURONS):
                spikes.append(x)
            after.append(module_state)
        return spikes, after

    def native(self, state: NetworkState, like: Tensor) -> list[Any]:
        layers = iter(state.layers)

        def one(module: nn.Module) -> Any:
            if isinstance(module, DifferenceCell):
                return DifferenceState(state.current.to(like))
            if not isinstance(module, NEURONS):
                return None
            neurons = next(layers)
            membrane, count = neurons.membrane.to(like), neurons.count.to(like)
            if isinstance(module, ClockedIFCell):
                return module.initial_state(membrane)._replace(v=membrane, n=count)
            return GradedIFState(membrane, count) if isinstance(module, GradedIFCell) else IFState(membrane)

        return [one(module) for module in self._modules]

    def membrane(self, state: list[Any], layer: int) -> Tensor:
        membrane: Tensor = state[self._neurons[layer]].v
        return membrane


BACKEND = Backend(build=to_norse, adapt=_Adapter)
