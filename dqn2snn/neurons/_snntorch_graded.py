"""The integrate-and-fire neuron with signed and with several spikes a step, as a neuron of snnTorch."""

from __future__ import annotations

from typing import Any, ClassVar

import snntorch as snn
from torch import Tensor

from dqn2snn.neurons._snntorch_state import StatefulModule
from dqn2snn.neurons.buffers import neuron_buffers
from dqn2snn.neurons.staircase import Staircase, spike_range


class GradedIF(StatefulModule, snn.Synaptic):  # type: ignore[misc]
    """Integrate-and-fire neuron whose spikes are whole numbers, with a count of those it has sent.

        v += I;    s = clip(floor(v / threshold), -min(k, N) if signed else 0, min(k, L - N))
        v -= s * threshold;    N += s

    with k = `max_spikes` and L = `max_count`. With k > 1 it sends bursts (Li and Zeng 2022, arXiv 2204.13271). If it
    is signed, it takes spikes back once its membrane is below zero, as the ST-BIF neuron does (You et al. 2024,
    SpikeZIP-TF, arXiv 2406.03470), whose "tracer" is N.

    A neuron of second order, called as `snntorch.Synaptic` is: `spk, count, mem = neuron(cur, count, mem)`. The count
    takes the place of Synaptic's current, and with `init_hidden` its name, `syn`. As in `IF`, the membrane is
    relative to v_init, so that zeros are the initial state wherever snnTorch resets one.

    Args:
        threshold: Scalar, `[C, 1, 1]` or anything that broadcasts over `[B, *shape]`.
        v_init: Membrane before the first step, same shapes.
        max_spikes: k, spikes that a neuron sends in one step at most.
        signed: Whether negative spikes take back earlier ones.
        max_count: L, spikes that a neuron has sent at most, those taken back subtracted; None for no limit.
        init_hidden: Keep the state in the module, as in `snntorch.Synaptic`.
        output: With `init_hidden`, return the state beside the spikes.
        spike_grad: Firing function of v / threshold, lowest and highest; must keep the dtype.

    Example:
        >>> import torch
        >>> neuron = GradedIF(max_spikes=4, signed=True)
        >>> spk, count, mem = neuron(torch.tensor([2.5]), torch.zeros(1), torch.zeros(1))
        >>> spk.item(), count.item(), mem.item()
        (2.0, 2.0, 0.5)
        >>> spk, count, mem = neuron(torch.tensor([-1.0]), count, mem)
        >>> spk.item(), count.item(), mem.item()
        (-1.0, 1.0, 0.5)
    """

    STATES: ClassVar[tuple[str, ...]] = ("syn", "mem")
    threshold: Tensor
    v_init: Tensor
    syn: Tensor
    mem: Tensor
    spike_grad: Any

    def __init__(
        self,
        threshold: float | Tensor = 1.0,
        v_init: float | Tensor = 0.0,
        *,
        max_spikes: int = 1,
        signed: bool = False,
        max_count: int | None = None,
        init_hidden: bool = False,
        output: bool = False,
        spike_grad: Any = None,
    ) -> None:
        theta, start = neuron_buffers(threshold, v_init)
        super().__init__(
            alpha=theta.new_ones(()),
            beta=theta.new_ones(()),
            threshold=theta,
            spike_grad=Staircase() if spike_grad is None else spike_grad,
            init_hidden=init_hidden,
            output=output,
            reset_mechanism="subtract",
            reset_delay=False,
        )
        self.register_buffer("v_init", start)
        self.max_spikes, self.signed, self.max_count = max_spikes, signed, max_count
        self.to(theta)
        del self.state_function  # as in IF
        self.register()

    def forward(
        self, input_: Tensor, count: Tensor | None = None, mem: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        """One step, with the calling conventions of `snntorch.Synaptic`.

        Args:
            input_: Current I, `[B, *shape]`.
            count: N after the previous step; without it, the one that the module keeps.
            mem: Membrane after the previous step, relative to v_init; likewise.

        Returns:
            Tensor | tuple[Tensor, Tensor, Tensor]: Spikes; count and membrane too unless `init_hidden` is set and
            `output` is not.

        Raises:
            ArgumentError: If there is a state although `init_hidden` is set.
        """
        sent, before = self.state_of(input_, (count, mem))
        charged = before + input_
        spk = self.fire(charged, sent)
        self.syn, self.mem = sent + spk, charged - spk * self.threshold
        return spk if self.init_hidden and not self.output else (spk, self.syn, self.mem)

    def fire(self, mem: Tensor, count: Tensor) -> Tensor:
        """Spikes of a membrane relative to v_init, after `count` spikes."""
        allowed = spike_range(count.detach(), self.max_spikes, self.signed, self.max_count)
        return self.spike_grad((mem + self.v_init) / self.threshold, *allowed)  # type: ignore[no-any-return]

    def hidden_twin(self, *, output: bool = False) -> GradedIF:
        """A copy of the neuron with `init_hidden`, and a state of its own."""
        return GradedIF(
            self.threshold,
            self.v_init,
            max_spikes=self.max_spikes,
            signed=self.signed,
            max_count=self.max_count,
            init_hidden=True,
            output=output,
            spike_grad=self.spike_grad,
        )

    def extra_repr(self) -> str:
        """Threshold shape and kind, in the representation of the module."""
        kind = f"max_spikes={self.max_spikes}, signed={self.signed}, max_count={self.max_count}"
        return f"threshold={tuple(self.threshold.shape)}, {kind}"
