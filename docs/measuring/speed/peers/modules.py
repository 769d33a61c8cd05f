"""What the contestants that are made of torch modules have in common."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dqn2snn.neurons.synapses import synapse_modules
from dqn2snn.plan import SpikingPlan
from measuring.speed.peers.contestant import Simulation, UnavailableError

__all__ = ["Run", "Synapses", "simulation", "synapses_of", "threshold_of"]

Run = Callable[[Tensor, int], Tensor]
"""From observations and T to the output currents summed over T steps, `[B, A]`."""


@dataclass(frozen=True)
class Synapses:
    """The stock torch modules between the layers of a plan, in float32.

    Attributes:
        first: From an observation to the current of the first layer, which is the same at every step.
        between: From the spikes of each hidden layer but the last to the current of the next.
        head: From the spikes of the last hidden layer to the output currents.
        once: Whether the first current is computed once a decision, or anew at every step.
    """

    first: nn.Module
    between: tuple[nn.Module, ...]
    head: nn.Module
    once: bool

    def currents(self, observations: Tensor, num_steps: int) -> Iterator[Tensor]:
        """The current of the first layer, `[B, *shape]`, step by step."""
        if self.once:
            yield from itertools.repeat(self.first(observations), num_steps)
        else:
            for _ in range(num_steps):
                yield self.first(observations)

    def all_currents(self, observations: Tensor, num_steps: int) -> Tensor:
        """The current of the first layer at all steps, `[B, T, *shape]`."""
        batch, *shape = observations.shape
        if self.once:
            current: Tensor = self.first(observations).unsqueeze(1)
            return current.expand(batch, num_steps, *current.shape[2:])
        repeated = observations.unsqueeze(1).expand(batch, num_steps, *shape).flatten(0, 1)
        return self.first(repeated).unflatten(0, (batch, num_steps))  # type: ignore[no-any-return]

    def interleaved(self, neurons: Sequence[nn.Module]) -> list[nn.Module]:
        """Neurons, synapses, neurons, ..., head: what follows the first current, in order."""
        stages: list[nn.Module] = [neurons[0]]
        for synapses, layer in zip(self.between, neurons[1:], strict=True):
            stages += [*synapses.children(), layer]
        return [*stages, *self.head.children()]


def synapses_of(plan: SpikingPlan, once: bool = True) -> Synapses:
    """The synapses of a plan as torch modules.

    Args:
        plan: The spiking network, with a first layer that float32 computes exactly.
        once: Whether the first current is computed once a decision.

    Returns:
        Synapses: The modules, frozen.
    """
    first, *between, head = (
        nn.Sequential(*synapse_modules(layer.affine)).requires_grad_(False) for layer in plan.all_layers
    )
    return Synapses(first, tuple(between), head, once)


def threshold_of(plan: SpikingPlan) -> float:
    """The one threshold of all neurons.

    Args:
        plan: The spiking network.

    Returns:
        float: The threshold.

    Raises:
        UnavailableError: If thresholds differ, membranes do not start at 0, or the reset is hard: a comparison that
            every library could take part in does not have these.
    """
    thresholds = torch.cat([layer.threshold.flatten() for layer in plan.layers]).unique()
    starts = torch.cat([layer.v_init.flatten() for layer in plan.layers])
    if len(thresholds) != 1 or bool(starts.any()) or any(layer.reset != "subtract" for layer in plan.layers):
        raise UnavailableError(
            "takes one threshold for all neurons, membranes from 0 and reset by subtraction"
        )
    return float(thresholds)


def simulation(plan: SpikingPlan, run: Run, neurons: Sequence[nn.Module], time_dim: int | None) -> Simulation:
    """A simulation from a function that sums output currents.

    Spikes are counted by hooks, which are there only while somebody counts, not while anybody is timed.

    Args:
        plan: The spiking network.
        run: From observations and T to output currents summed over time.
        neurons: The neuron modules, whose first output is the spikes.
        time_dim: None if a module is called once a step; where time is in its output otherwise: 0 for
            `[T, B, ...]`, 1 for `[B T, ...]` with time inside the batch.

    Returns:
        Simulation: To be checked and timed.
    """
    scale = plan.readout_scale / float(plan.output.threshold.mean())

    @torch.no_grad()
    def q(observations: Tensor, num_steps: int) -> Tensor:
        return run(observations, num_steps) * (scale / num_steps)

    def counts(observations: Tensor, num_steps: int) -> tuple[Tensor, ...]:
        with _counted(neurons, time_dim, len(observations)) as found:
            q(observations, num_steps)
        return tuple(found)

    return Simulation(q, counts)


@contextmanager
def _counted(neurons: Sequence[nn.Module], time_dim: int | None, batch: int) -> Iterator[list[Tensor]]:
    found: list[Tensor] = [torch.zeros(()) for _ in neurons]

    def hook(index: int) -> Callable[[nn.Module, Any, Any], None]:
        def add(module: nn.Module, inputs: Any, output: Any) -> None:
            spikes = (output[0] if isinstance(output, tuple) else output).double()
            if time_dim == 1:
                spikes = spikes.unflatten(0, (batch, -1))
            found[index] = found[index] + (spikes if time_dim is None else spikes.sum(time_dim))

        return add

    handles = [neuron.register_forward_hook(hook(index)) for index, neuron in enumerate(neurons)]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
