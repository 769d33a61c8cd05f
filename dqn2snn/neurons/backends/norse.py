"""Norse as a backend."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from dqn2snn.dynamics.state import NetworkState
from dqn2snn.neurons.backends._backend import Backend
from dqn2snn.neurons.norse import (
    DifferenceCell,
    DifferenceState,
    GradedIFCell,
    GradedIFState,
    IFCell,
    IFState,
    advance,
    to_norse,
)

__all__ = ["BACKEND"]


class _Adapter:
    """A named tuple, or None, for every module behind the encoder."""

    def __init__(self, network: Any) -> None:
        self.encoder: nn.Module = network[0]
        self._network: Any = network
        self._modules: list[nn.Module] = list(network)[1:]
        self._neurons = [
            i for i, module in enumerate(self._modules) if isinstance(module, (IFCell, GradedIFCell))
        ]

    def advance(self, current: Tensor, state: list[Any] | None) -> tuple[list[Tensor], list[Any]]:
        return advance(self._network, current, state)

    def native(self, state: NetworkState, like: Tensor) -> list[Any]:
        layers = iter(state.layers)

        def one(module: nn.Module) -> Any:
            if isinstance(module, DifferenceCell):
                return DifferenceState(state.current.to(like))
            if not isinstance(module, (IFCell, GradedIFCell)):
                return None
            neurons = next(layers)
            membrane, count = neurons.membrane.to(like), neurons.count.to(like)
            return GradedIFState(membrane, count) if isinstance(module, GradedIFCell) else IFState(membrane)

        return [one(module) for module in self._modules]

    def membrane(self, state: list[Any], layer: int) -> Tensor:
        membrane: Tensor = state[self._neurons[layer]].v
        return membrane


BACKEND = Backend(build=to_norse, adapt=_Adapter)
