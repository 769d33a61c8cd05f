"""State as snnTorch's modules keep it: buffers, all zero at first, that `utils.reset` sets to zero again."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from snntorch._neurons.neurons import SpikingNeuron
from torch import Tensor

from dqn2snn.errors import ArgumentError


class StatefulModule:
    """Mixin of our modules for snnTorch, whose base class is one of snnTorch's own."""

    STATES: ClassVar[tuple[str, ...]] = ("mem",)
    """Names of the buffers, in the order in which they are passed and returned."""

    init_hidden: bool
    output: bool
    _buffers: dict[str, Tensor]
    __call__: Callable[..., Any]

    def initial(self, input_: Tensor) -> tuple[Tensor, ...]:
        """State before the first step, for an input `[B, *shape]`: zeros."""
        return tuple(torch.zeros_like(input_) for _ in self.STATES)

    def hidden_twin(self, *, output: bool = False) -> StatefulModule:
        """A copy of the module with `init_hidden`, and a state of its own; `output` is for the last neurons."""
        raise NotImplementedError

    def reset_rows(self, episode_start: Tensor) -> None:
        """Set the hidden state of some rows of the batch to zero, `episode_start` `[B]` bool."""
        for name in self.STATES:
            value = getattr(self, name)
            if len(value):
                setattr(self, name, without(value, episode_start))

    def state_of(self, input_: Tensor, given: tuple[Tensor | None, ...]) -> tuple[Tensor, ...]:
        """The state that is passed in, or else the one that the module keeps, or else zeros."""
        if all(value is None for value in given):
            first = self.initial(input_)
            kept = tuple(getattr(self, name) for name in self.STATES)
            return kept if all(a.shape == b.shape for a, b in zip(kept, first, strict=True)) else first
        if self.init_hidden:
            raise ArgumentError(
                "Expected no state (`mem`) with init_hidden=True, where the module keeps it. Found one."
            )
        complete = tuple(value for value in given if value is not None)
        if len(complete) < len(given):
            raise ArgumentError(
                f"Expected the whole state, {len(given)} tensors, or none of it. Found {len(complete)}."
            )
        return complete

    def register(self) -> None:
        """Enter the module in snnTorch's registry, which `utils.reset` walks, without keeping it alive for ever.

        snnTorch registers neurons in their constructor only, so that copies would never be reset, and by strong
        references, so that no network would ever be freed.
        """
        living = [entry for entry in SpikingNeuron.instances if entry is not None and entry is not self]
        SpikingNeuron.instances[:] = [*living, weakref.proxy(self, _forget)]

    def __getstate__(self) -> dict[str, Any]:
        # A state with a history can be neither copied nor pickled.
        detached = {name: getattr(self, name).detach() for name in self.STATES if name in self._buffers}
        return {**self.__dict__, "_buffers": {**self._buffers, **detached}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[misc]
        self.register()


def without(state: Tensor, episode_start: Tensor) -> Tensor:
    """State `[B, ...]` with the rows of a mask `[B]` set to zero."""
    return state.masked_fill(episode_start.reshape(-1, *(1 for _ in state.shape[1:])), 0)


def _forget(dead: object, registry: type[SpikingNeuron] = SpikingNeuron) -> None:
    # A neuron may die while utils.reset walks the registry by index, so its length stays as it is. It may also die
    # when Python exits and has emptied this module, so the registry is an argument.
    registry.instances[:] = [None if entry is dead else entry for entry in registry.instances]
