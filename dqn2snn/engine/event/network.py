"""A plan, made ready for the compiled extension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dqn2snn.dynamics.encode import constant_current
from dqn2snn.engine.available import event_engine, why_not
from dqn2snn.engine.event.lower import image
from dqn2snn.engine.event.prepare import build, is_wide
from dqn2snn.errors import ArgumentError
from dqn2snn.plan import SpikingPlan

if TYPE_CHECKING:
    from dqn2snn.engine import _event


class EventNetwork:
    """A plan, made ready for the event engine. Immutable: any number of threads may simulate it at once.

    Args:
        plan: A plan that `refusal` does not refuse.

    Raises:
        ArgumentError: If the extension is not there.
    """

    def __init__(self, plan: SpikingPlan) -> None:
        self.plan = plan
        module = event_engine()
        if module is None:
            raise ArgumentError(f"Expected the event engine to be there. Found that {why_not()}.")
        self._module = module
        self._network, self._reads_observations = build(plan, module)
        self._kind = torch.int32 if plan.on_grid and not is_wide(plan) else torch.float32

    def run(self, observations: Tensor, num_steps: int, threads: int, **results: object) -> None:
        """Simulate a batch and write the results into arrays, as `Network.run` of the extension does.

        Args:
            observations: `[B, *input_shape]`, on the CPU.
            num_steps: T.
            threads: Threads, each with one decision at a time.
            **results: Arrays to write to, by name.
        """
        array, currents = self.readable(observations)
        self._network.run(array, currents=currents, steps=num_steps, threads=threads, **results)

    def stream(self) -> _event.Stream:
        """Networks of any number of environments, all of them at rest."""
        stream: _event.Stream = self._module.Stream(self._network)
        return stream

    def readable(self, observations: Tensor) -> tuple[NDArray[Any], bool]:
        """The network as the extension reads it.

        Args:
            observations: `[B, *input_shape]`, on the CPU.

        Returns:
            tuple[NDArray[Any], bool]: Observations, or, where the first layer's synapses are not for the engine, its
            currents; and whether it is these.
        """
        if self._reads_observations:
            return _readable(observations), False
        return self._currents(observations).numpy(), True

    def _currents(self, observations: Tensor) -> Tensor:
        """The first layer's currents, pixel by pixel."""
        layer = self.plan.layers[0]
        current = constant_current(self.plan, observations)
        channels, height, width = image(layer.shape)
        current = current.reshape(len(current), channels, height * width).transpose(1, 2)
        if layer.fraction_bits is not None:
            current = current * 2.0**layer.fraction_bits
        return current.to(self._kind).contiguous()


def _readable(values: Tensor) -> NDArray[Any]:
    """The numbers as an array of a kind that the engine reads, without a copy where possible."""
    if values.dtype == torch.bool:
        values = values.view(torch.uint8)
    elif values.dtype not in (torch.uint8, torch.float32, torch.float64):
        values = values.double()
    return np.asarray(values.contiguous())
