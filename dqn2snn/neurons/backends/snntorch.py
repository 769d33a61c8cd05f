"""snnTorch as a backend."""

from __future__ import annotations

from torch import Tensor, nn

from dqn2snn.neurons._snntorch_inputs import Difference, Onset, StepBias
from dqn2snn.neurons.backends._backend import Backend
from dqn2snn.neurons.snntorch import IF, ClockedIF, GradedIF, SNNTorchNetwork, SNNTorchState, to_snntorch
from dqn2snn.plan.state import NetworkState


class _Adapter:
    """A tuple of tensors for every stateful module; membranes are relative to v_init."""

    def __init__(self, network: SNNTorchNetwork) -> None:
        self.encoder: nn.Module = network.encoder
        self._network, self._modules = network, network.stateful
        self._neurons = [i for i, module in enumerate(self._modules) if isinstance(module, (IF, GradedIF))]

    def advance(self, current: Tensor, state: SNNTorchState | None) -> tuple[list[Tensor], SNNTorchState]:
        return self._network.advance(current, state)

    def native(self, state: NetworkState, like: Tensor) -> SNNTorchState:
        layers = iter(state.layers)

        def one(module: nn.Module) -> tuple[Tensor, ...]:
            if isinstance(module, Difference):
                return (state.current.to(like),)
            if isinstance(module, (Onset, StepBias)):
                return module.initial(like)
            assert isinstance(module, (IF, GradedIF))
            neurons = next(layers)
            relative = neurons.membrane.to(like) - module.v_init
            if isinstance(module, IF):
                return (relative,)
            clock = module.initial(relative)[:1] if isinstance(module, ClockedIF) else ()
            return (*clock, neurons.count.to(like), relative)

        return [one(module) for module in self._modules]

    def membrane(self, state: SNNTorchState, layer: int) -> Tensor:
        place = self._neurons[layer]
        neurons = self._modules[place]
        assert isinstance(neurons, (IF, GradedIF))
        return state[place][-1] + neurons.v_init


BACKEND = Backend(build=to_snntorch, adapt=_Adapter)
