"""Spiking Q-networks of snnTorch neurons."""

from __future__ import annotations

import weakref
from typing import Any

import snntorch as snn
import torch
from snntorch._neurons.neurons import SpikingNeuron
from torch import Tensor, nn

from dqn2snn._host import on_host
from dqn2snn.errors import ArgumentError
from dqn2snn.graph import per_channel
from dqn2snn.neurons.buffers import neuron_buffers
from dqn2snn.neurons.surrogate import FireAtThreshold
from dqn2snn.neurons.synapses import CurrentEncoder, synapse_modules
from dqn2snn.plan import Reset, SpikingLayer, SpikingPlan

__all__ = ["IF", "SNNTorchNetwork", "to_snntorch"]


class IF(snn.Leaky):  # type: ignore[misc]
    """Integrate-and-fire neuron of snnTorch: `v += I; s = v >= threshold; v -= s * threshold`.

    A `snntorch.Leaky` without leak whose spike is decided and subtracted within its step, so that the membrane
    it returns is the one *after* the reset. (`snntorch.Leaky(reset_delay=False)`, whose name promises this,
    subtracts too early where the membrane exceeds two thresholds, and loses spikes.) `reset_mechanism="zero"`
    starts again from v_init instead.

    snnTorch takes a membrane of zeros for the initial state wherever it resets one: `utils.reset`,
    `reset_mem`, a new batch size. The membrane is therefore kept *relative to v_init*: it starts at 0 and fires at
    threshold - v_init.

    Args:
        threshold: Scalar, `[C, 1, 1]` or anything that broadcasts over `[B, *shape]`.
        v_init: Membrane before the first step, below the threshold, same shapes.
        reset_mechanism: "subtract" or "zero".
        init_hidden: Keep the membrane in the module, as in `snntorch.Leaky`.
        output: With `init_hidden`, return the membrane beside the spikes.
        spike_grad: Firing function; must fire at 0 and keep the dtype.

    Example:
        >>> neuron = IF(threshold=1.0)
        >>> spk, mem = neuron(torch.tensor([2.5]), torch.zeros(1))
        >>> spk.item(), mem.item()
        (1.0, 1.5)
    """

    v_init: Tensor
    mem: Tensor

    def __init__(
        self,
        threshold: float | Tensor = 1.0,
        v_init: float | Tensor = 0.0,
        *,
        reset_mechanism: Reset = "subtract",
        init_hidden: bool = False,
        output: bool = False,
        spike_grad: Any = None,
    ) -> None:
        theta, start = neuron_buffers(threshold, v_init)
        super().__init__(
            beta=theta.new_ones(()),
            threshold=theta,
            spike_grad=FireAtThreshold() if spike_grad is None else spike_grad,
            init_hidden=init_hidden,
            output=output,
            reset_mechanism=reset_mechanism,
            reset_delay=False,
            graded_spikes_factor=theta.new_ones(()),
        )
        self.register_buffer("v_init", start)
        self.to(theta)
        # A bound method, by which the neuron would hold itself until the next garbage collection.
        del self.state_function
        SpikingNeuron.instances.pop()  # the strong reference of the constructor
        _register_weakly(self)

    def forward(self, input_: Tensor, mem: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """One step, with the calling conventions of `snntorch.Leaky`.

        Args:
            input_: Current I, `[B, *shape]`.
            mem: Membrane after the previous step, relative to v_init; without it, the one that the module keeps.

        Returns:
            Tensor | tuple[Tensor, Tensor]: Spikes, and the membrane too unless `init_hidden` is set and `output`
            is not.

        Raises:
            ArgumentError: If there is a `mem` although `init_hidden` is set.
        """
        if mem is None:
            mem = self.mem if self.mem.shape == input_.shape else torch.zeros_like(input_)
        elif self.init_hidden:
            raise ArgumentError(
                "Expected no `mem` with init_hidden=True, where the module keeps it. Found one."
            )
        mem = mem + input_
        spk = self.fire(mem)
        self.mem = mem - spk * (self.threshold if self.reset_mechanism == "subtract" else mem)
        return spk if self.init_hidden and not self.output else (spk, self.mem)

    def fire(self, mem: Tensor) -> Tensor:
        """Spikes of a membrane relative to v_init."""
        return self.spike_grad(mem - (self.threshold - self.v_init))  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """Threshold shape and reset, in the representation of the module."""
        return f"threshold={tuple(self.threshold.shape)}, reset_mechanism={self.reset_mechanism!r}"

    def __getstate__(self) -> dict[str, Any]:
        # A membrane with a history can be neither copied nor pickled.
        state = dict(self.__dict__)
        state["_buffers"] = {**self._buffers, "mem": self.mem.detach()}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        _register_weakly(self)


def _register_weakly(neuron: IF) -> None:
    """Enter a neuron in snnTorch's registry, which `utils.reset` walks, without keeping it alive for ever.

    snnTorch registers neurons in their constructor only, so that copies would never be reset, and by strong
    references, so that no network would ever be freed.
    """
    living = [entry for entry in SpikingNeuron.instances if entry is not None]
    SpikingNeuron.instances[:] = [*living, weakref.proxy(neuron, _forget)]


def _forget(dead: object) -> None:
    # A neuron may die while utils.reset walks the registry by index, so its length stays as it is.
    SpikingNeuron.instances[:] = [None if entry is dead else entry for entry in SpikingNeuron.instances]


class SNNTorchNetwork(nn.Module):
    """A spiking Q-network in snnTorch's idiom: `(spk_rec, mem_rec)`, time first.

    The layers are flat attributes, in order: `encoder`, `if0`, `synapses1`, `if1`, ...; the last neurons are
    the output, one per action. `dqn2snn.readout` turns the records into Q-values.

    Args:
        plan: The spiking network.

    Example:
        >>> import dqn2snn
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> snn_net = to_snntorch(dqn2snn.convert(net, torch.rand(64, 4), num_steps=16).plan)
        >>> spk_rec, mem_rec = snn_net(torch.rand(3, 4))
        >>> spk_rec.shape, mem_rec.shape
        (torch.Size([16, 3, 2]), torch.Size([16, 3, 2]))
    """

    def __init__(self, plan: SpikingPlan) -> None:
        super().__init__()
        self.num_steps = plan.num_steps
        self.depth = len(plan.all_layers)
        self.encoder = CurrentEncoder(plan)
        for i, layer in enumerate(plan.all_layers):
            if i > 0:
                self.add_module(f"synapses{i}", nn.Sequential(*synapse_modules(layer.affine)))
            self.add_module(f"if{i}", _neurons(layer))

    def forward(self, observations: Tensor, num_steps: int | None = None) -> tuple[Tensor, Tensor]:
        """Simulate decisions from the initial state.

        Args:
            observations: `[B, *input_shape]`, presented at every step.
            num_steps: T; the plan's own by default.

        Returns:
            tuple[Tensor, Tensor]: Spikes and membranes (after the reset, relative to v_init) of the output
            neurons, `[T, B, A]` each.

        Raises:
            ArgumentError: If `num_steps` is not positive.
        """
        steps = self.num_steps if num_steps is None else num_steps
        if steps < 1:
            raise ArgumentError(f"Expected a positive number of steps. Found num_steps={steps}.")
        current, mems = self.encoder(observations), None
        spk_rec, mem_rec = [], []
        for _ in range(steps):
            spikes, mems = self.advance(current, mems)
            spk_rec.append(spikes[-1])
            mem_rec.append(mems[-1])
        return torch.stack(spk_rec), torch.stack(mem_rec)

    def advance(self, current: Tensor, mems: list[Tensor] | None) -> tuple[list[Tensor], list[Tensor]]:
        """One step of all layers.

        Args:
            current: What the encoder gives.
            mems: Membranes of all layers, or None for the initial state.

        Returns:
            tuple[list[Tensor], list[Tensor]]: Spikes and membranes of all layers.
        """
        spikes: list[Tensor] = []
        after: list[Tensor] = []
        for i in range(self.depth):
            if i > 0:
                current = self.get_submodule(f"synapses{i}")(spikes[-1])
            mem = torch.zeros_like(current) if mems is None else mems[i]
            spk, mem = self.get_submodule(f"if{i}")(current, mem)
            spikes.append(spk)
            after.append(mem)
        return spikes, after

    def to_sequential(self) -> nn.Sequential:
        """The same network as a flat `nn.Sequential` with `init_hidden` neurons.

        Used as in snnTorch's tutorials: `utils.reset(net)`, then `spk, mem = net(x)` at every step. Weights are
        shared with this network, membranes are not.
        """
        modules: list[nn.Module] = [self.encoder]
        for i in range(self.depth):
            if i > 0:
                modules.extend(self.get_submodule(f"synapses{i}").children())
            modules.append(_hidden_twin(self.get_submodule(f"if{i}"), output=i == self.depth - 1))
        return nn.Sequential(*modules)


@on_host()
def to_snntorch(plan: SpikingPlan) -> SNNTorchNetwork:
    """The spiking network of a plan, built of snnTorch neurons, in float32 on the CPU."""
    return SNNTorchNetwork(plan)


def _neurons(layer: SpikingLayer) -> IF:
    return IF(
        per_channel(layer.threshold, layer.shape).float(),
        per_channel(layer.v_init, layer.shape).float(),
        reset_mechanism=layer.reset,
    )


def _hidden_twin(neuron: nn.Module, *, output: bool) -> IF:
    assert isinstance(neuron, IF)
    return IF(
        neuron.threshold,
        neuron.v_init,
        reset_mechanism=neuron.reset_mechanism,
        init_hidden=True,
        output=output,
        spike_grad=neuron.spike_grad,
    )
