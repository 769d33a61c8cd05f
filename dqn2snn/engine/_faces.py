"""Native networks as an engine sees them: a step, and the way from their states to `NetworkState` and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from torch import Tensor, nn

from dqn2snn.dynamics import NeuronState
from dqn2snn.neurons.snntorch import IF, Difference, GradedIF, SNNTorchNetwork, SNNTorchState, StepBias
from dqn2snn.state import NetworkState

__all__ = ["Face", "face_of"]


class Face(Protocol):
    """A native network."""

    encoder: nn.Module
    """From observations to the current of the first layer."""

    def advance(self, current: Tensor, state: Any) -> tuple[list[Tensor], Any]:
        """One step behind the encoder: spikes of all layers, and the library's own state; None for the initial one."""

    def native(self, state: NetworkState, like: Tensor) -> Any:
        """The library's own state, before the first step of a decision, in the dtype of `like` `[B, ...]`."""

    def membranes(self, state: Any) -> list[Tensor]:
        """Membranes of all layers, `[B, *shape]` each."""

    def output_membrane(self, state: Any) -> Tensor:
        """The last of them, `[B, A]`."""


def face_of(network: nn.Module) -> Face:
    """That of a network which `to_snntorch` or `to_norse` made."""
    return _SNNTorchFace(network) if isinstance(network, SNNTorchNetwork) else _NorseFace(network)


class _SNNTorchFace:
    """A tuple of tensors for every stateful module; membranes are relative to v_init."""

    def __init__(self, network: SNNTorchNetwork) -> None:
        self.encoder: nn.Module = network.encoder
        self._network, self._modules = network, network.stateful

    def advance(self, current: Tensor, state: SNNTorchState | None) -> tuple[list[Tensor], SNNTorchState]:
        return self._network.advance(current, state)

    def native(self, state: NetworkState, like: Tensor) -> SNNTorchState:
        layers = iter(state.layers)

        def one(module: nn.Module) -> tuple[Tensor, ...]:
            if isinstance(module, Difference):
                return (state.current.to(like),)
            if isinstance(module, StepBias):
                return module.initial(like)
            membrane, count = _next(layers, like)
            assert isinstance(module, (IF, GradedIF))
            relative = membrane - module.v_init
            return (count, relative) if isinstance(module, GradedIF) else (relative,)

        return [one(module) for module in self._modules]

    def membranes(self, state: SNNTorchState) -> list[Tensor]:
        neurons = zip(self._modules, state, strict=True)
        return [
            _absolute(module, *values) for module, values in neurons if isinstance(module, (IF, GradedIF))
        ]

    def output_membrane(self, state: SNNTorchState) -> Tensor:
        return _absolute(self._modules[-1], *state[-1])


class _NorseFace:
    """A named tuple, or None, for every module behind the encoder."""

    def __init__(self, network: Any) -> None:
        from dqn2snn.neurons import norse

        self._norse, self._network = norse, network
        self.encoder: nn.Module = network[0]
        self._modules: list[nn.Module] = list(network)[1:]

    def advance(self, current: Tensor, state: list[Any] | None) -> tuple[list[Tensor], list[Any]]:
        return self._norse.advance(self._network, current, state)

    def native(self, state: NetworkState, like: Tensor) -> list[Any]:
        norse, layers = self._norse, iter(state.layers)

        def one(module: nn.Module) -> Any:
            if isinstance(module, norse.DifferenceCell):
                return norse.DifferenceState(state.current.to(like))
            if isinstance(module, norse.GradedIFCell):
                return norse.GradedIFState(*_next(layers, like))
            if isinstance(module, norse.IFCell):
                return norse.IFState(_next(layers, like)[0])
            return None

        return [one(module) for module in self._modules]

    def membranes(self, state: list[Any]) -> list[Tensor]:
        neurons = (self._norse.IFState, self._norse.GradedIFState)
        return [values.v for values in state if isinstance(values, neurons)]

    def output_membrane(self, state: list[Any]) -> Tensor:
        membrane: Tensor = state[-1].v
        return membrane


def _absolute(neurons: nn.Module, *state: Tensor) -> Tensor:
    assert isinstance(neurons, (IF, GradedIF))
    return state[-1] + neurons.v_init


def _next(layers: Iterator[NeuronState], like: Tensor) -> tuple[Tensor, Tensor]:
    state = next(layers)
    return state.membrane.to(like), state.count.to(like)
