"""The integrate-and-fire neuron as a neuron of snnTorch."""

from __future__ import annotations

from typing import Any

import snntorch as snn
from torch import Tensor

from dqn2snn.neurons._snntorch_state import StatefulModule
from dqn2snn.neurons.buffers import neuron_buffers
from dqn2snn.neurons.surrogate import FireAtThreshold
from dqn2snn.plan import Reset


class IF(StatefulModule, snn.Leaky):  # type: ignore[misc]
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
        v_init: Membrane before the first step, same shapes.
        reset_mechanism: "subtract" or "zero".
        init_hidden: Keep the membrane in the module, as in `snntorch.Leaky`.
        output: With `init_hidden`, return the membrane beside the spikes.
        spike_grad: Firing function; must fire at 0 and keep the dtype.

    Example:
        >>> import torch
        >>> neuron = IF(threshold=1.0)
        >>> spk, mem = neuron(torch.tensor([2.5]), torch.zeros(1))
        >>> spk.item(), mem.item()
        (1.0, 1.5)
    """

    threshold: Tensor
    v_init: Tensor
    mem: Tensor
    reset_mechanism: Reset
    spike_grad: Any

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
        self.register()

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
        (before,) = self.state_of(input_, (mem,))
        charged = before + input_
        spk = self.fire(charged)
        self.mem = charged - spk * (self.threshold if self.reset_mechanism == "subtract" else charged)
        return spk if self.init_hidden and not self.output else (spk, self.mem)

    def fire(self, mem: Tensor) -> Tensor:
        """Spikes of a membrane relative to v_init."""
        return self.spike_grad(mem - (self.threshold - self.v_init))  # type: ignore[no-any-return]

    def hidden_twin(self, *, output: bool = False) -> IF:
        """A copy of the neuron with `init_hidden`, and a membrane of its own."""
        return IF(
            self.threshold,
            self.v_init,
            reset_mechanism=self.reset_mechanism,
            init_hidden=True,
            output=output,
            spike_grad=self.spike_grad,
        )

    def extra_repr(self) -> str:
        """Threshold shape and reset, in the representation of the module."""
        return f"threshold={tuple(self.threshold.shape)}, reset_mechanism={self.reset_mechanism!r}"
