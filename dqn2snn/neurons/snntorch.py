"""Spiking Q-networks of snnTorch neurons."""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from dqn2snn._utils.host import on_host
from dqn2snn.errors import ArgumentError
from dqn2snn.neurons._snntorch_clocked import ClockedIF
from dqn2snn.neurons._snntorch_graded import GradedIF
from dqn2snn.neurons._snntorch_if import IF
from dqn2snn.neurons._snntorch_inputs import Difference, Onset, StepBias
from dqn2snn.neurons._snntorch_state import StatefulModule, without
from dqn2snn.neurons.kinetics import Kinetics
from dqn2snn.neurons.step_currents import StepCurrents
from dqn2snn.neurons.supported import check_supported
from dqn2snn.neurons.synapses import CurrentEncoder, synapses_of
from dqn2snn.plan import PlanOrNetwork, SpikingLayer, SpikingPlan, plan_of
from dqn2snn.plan.graph import per_channel

__all__ = ["IF", "ClockedIF", "GradedIF", "SNNTorchNetwork", "reset_rows", "to_snntorch"]

SNNTorchState: TypeAlias = list[tuple[Tensor, ...]]
"""State of a network: what each of its `stateful` modules takes and returns, all zero at rest."""


class SNNTorchNetwork(nn.Module):
    """A spiking Q-network in snnTorch's idiom: `(spk_rec, mem_rec)`, time first.

    The layers are flat attributes, in order: `encoder`, `if0`, `synapses1`, `if1`, ...; the last neurons are
    the output, one per action. `dqn2snn.readout` turns the records into Q-values. A network in "delta" coding has a
    `difference` behind the encoder, and one with currents for single steps `step_bias1`, ... behind the synapses.

    Args:
        plan: The spiking network.

    Raises:
        PlanError: If there are no modules for the plan: its spikes are times.

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
        check_supported(plan)
        self.num_steps = plan.num_steps
        self.depth = len(plan.all_layers)
        self.encoder = CurrentEncoder(plan)
        coding = plan.coding
        if coding.once:
            self.difference = Difference()
        if coding.onset:
            self.onset = Onset()
        for i, layer in enumerate(plan.all_layers):
            if i > 0:
                self.add_module(f"synapses{i}", nn.Sequential(*synapses_of(plan, layer)))
                if (currents := StepCurrents.of(layer, onset=coding.onset)) is not None:
                    self.add_module(f"step_bias{i}", StepBias(currents))
            self.add_module(f"if{i}", _neurons(layer, counted=coding.persistent and layer is plan.output))

    @property
    def stateful(self) -> list[nn.Module]:
        """The modules that have a state, in order: neurons, and what stands before them."""
        return [module for module in self.children() if isinstance(module, StatefulModule)]

    @property
    def output(self) -> IF | GradedIF:
        """The last neurons, whose `threshold` and `v_init` a readout needs."""
        neurons = self.get_submodule(f"if{self.depth - 1}")
        assert isinstance(neurons, (IF, GradedIF))
        return neurons

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
        spk_rec, mem_rec, _ = self.present(observations, num_steps=num_steps)
        return spk_rec, mem_rec

    def present(
        self,
        observations: Tensor,
        state: SNNTorchState | None = None,
        episode_start: Tensor | None = None,
        num_steps: int | None = None,
    ) -> tuple[Tensor, Tensor, SNNTorchState]:
        """Simulate on from any state, and return the one that is reached.

        A "delta" network keeps its state for an episode. Its last neurons' state is `(count, mem)`, and its Q-values
        are `readout_scale * (count + (mem + v_init) / threshold)`, with `v_init` and `threshold` of `output`.

        Args:
            observations: `[B, *input_shape]`, presented at every step.
            state: What the call before returned, or None for the initial state.
            episode_start: `[B]` bool, where an episode begins: there the initial state takes the place of `state`.
            num_steps: T; the plan's own by default.

        Returns:
            tuple[Tensor, Tensor, SNNTorchState]: As `forward`, and the state.

        Raises:
            ArgumentError: If `num_steps` is not positive.
        """
        steps = self.num_steps if num_steps is None else num_steps
        if steps < 1:
            raise ArgumentError(f"Expected a positive number of steps. Found num_steps={steps}.")
        if state is not None and episode_start is not None:
            state = [tuple(without(value, episode_start) for value in values) for values in state]
        level = self.encoder(observations)
        spk_rec, mem_rec = [], []
        for _ in range(steps):
            spikes, state = self.advance(level, state)
            spk_rec.append(spikes[-1])
            mem_rec.append(state[-1][-1])
        assert state is not None
        return torch.stack(spk_rec), torch.stack(mem_rec), state

    def advance(self, current: Tensor, state: SNNTorchState | None) -> tuple[list[Tensor], SNNTorchState]:
        """One step of all layers.

        Args:
            current: What the encoder gives.
            state: Of all `stateful` modules, or None for the initial state.

        Returns:
            tuple[list[Tensor], SNNTorchState]: Spikes of all layers, and the state.
        """
        spikes: list[Tensor] = []
        after: SNNTorchState = []
        x = current
        for module in self.children():
            if isinstance(module, StatefulModule):
                before = module.initial(x) if state is None else state[len(after)]
                x, *new = module(x, *before)
                after.append(tuple(new))
                if isinstance(module, (IF, GradedIF)):
                    spikes.append(x)
            elif module is not self.encoder:
                x = module(x)
        return spikes, after

    def to_sequential(self) -> nn.Sequential:
        """The network as a flat `nn.Sequential` with `init_hidden` neurons.

        Used as in snnTorch's tutorials: `utils.reset(net)`, then `spk, mem = net(x)` at every step, or
        `spk, count, mem = net(x)` where the last neurons count. Weights are shared with this network, states are
        not. A "delta" network is reset once an episode; `reset_rows` does it for some rows of a batch.
        """
        modules: list[nn.Module] = []
        for name, module in self.named_children():
            if isinstance(module, StatefulModule):
                modules.append(module.hidden_twin(output=name == f"if{self.depth - 1}"))
            else:
                modules.extend([module] if module is self.encoder else module.children())
        return nn.Sequential(*modules)


def reset_rows(net: nn.Module, episode_start: Tensor) -> None:
    """Begin anew, as after `snntorch.utils.reset(net)`, in the rows of a batch where an episode begins.

    Args:
        net: A network with `init_hidden` neurons, as `SNNTorchNetwork.to_sequential` makes it.
        episode_start: Whether an episode begins, `[B]` bool.

    Example:
        >>> net = nn.Sequential(IF(init_hidden=True), GradedIF(init_hidden=True, output=True))
        >>> _, count, mem = net(torch.full((2, 1), 1.5))
        >>> reset_rows(net, torch.tensor([True, False]))
        >>> net[0].mem.tolist(), net[1].syn.tolist()
        ([[0.0], [0.5]], [[0.0], [1.0]])
    """
    for module in net.modules():
        if isinstance(module, StatefulModule):
            module.reset_rows(episode_start)


@on_host()
def to_snntorch(plan: PlanOrNetwork) -> SNNTorchNetwork:
    """The spiking network of a plan, built of snnTorch neurons, in float32 on the CPU."""
    plan = plan_of(plan)
    return SNNTorchNetwork(plan)


def _neurons(layer: SpikingLayer, *, counted: bool) -> IF | GradedIF:
    """Neurons of a layer; those whose spikes have to be `counted` for the readout do so themselves."""
    threshold = per_channel(layer.threshold, layer.shape).float()
    v_init = per_channel(layer.v_init, layer.shape).float()
    if layer.plain and layer.steady and not counted:
        return IF(threshold, v_init, reset_mechanism=layer.reset)
    graded: dict[str, Any] = {
        "max_spikes": layer.max_spikes,
        "signed": layer.signed,
        "max_count": layer.max_count,
    }
    if layer.steady:
        return GradedIF(threshold, v_init, **graded)
    return ClockedIF(threshold, v_init, kinetics=Kinetics.of(layer), **graded)
