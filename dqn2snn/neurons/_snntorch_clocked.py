"""The neuron that leaks or grows, and fires in steps of its own, as a neuron of snnTorch."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from dqn2snn.dynamics.neuron import grown, kept
from dqn2snn.neurons._snntorch_graded import GradedIF
from dqn2snn.neurons._snntorch_inputs import Clock
from dqn2snn.neurons.kinetics import Kinetics


class ClockedIF(GradedIF):
    """A `GradedIF` whose membrane leaks or grows, and that counts the steps of a decision.

        v <- r + beta (v - r) + I;    N <- max(beta, 1) N;    s = clip(floor(v / threshold), lowest, min(k, L - N))

    in steps delay <= t < delay + duration, s = 0 in others, with r = `v_init`; then as in `GradedIF`. beta < 1 is
    `snntorch.Leaky`, beta > 1 the neuron of digit codes.

    Called as `GradedIF` is, with the number of the step in front:
    `spk, step, count, mem = neuron(cur, step, count, mem)`.

    Args:
        threshold: Scalar, `[C, 1, 1]` or anything that broadcasts over `[B, *shape]`.
        v_init: Membrane before the first step and at rest, same shapes.
        kinetics: Leak or growth, delay and duration.
        **graded: Arguments of `GradedIF`.

    Example:
        >>> neuron = ClockedIF(v_init=0.5, kinetics=Kinetics(beta=2.0), max_spikes=1, signed=True, init_hidden=True)
        >>> [neuron(torch.tensor([[current]])).item() for current in (0.75, 0.0, 0.0)]
        [1.0, 0.0, -1.0]
    """

    STATES: ClassVar[tuple[str, ...]] = ("step", "syn", "mem")

    def __init__(
        self,
        threshold: float | Tensor = 1.0,
        v_init: float | Tensor = 0.0,
        *,
        kinetics: Kinetics,
        **graded: Any,
    ) -> None:
        super().__init__(threshold, v_init, **graded)
        self.kinetics = kinetics
        self.clock = Clock(init_hidden=True)

    @property
    def step(self) -> Tensor:
        """Number of the next step, `[B]` int64; a module of its own has it, which `snntorch.utils.reset` knows."""
        return self.clock.mem

    @step.setter
    def step(self, step: Tensor) -> None:
        self.clock.mem = step

    def initial(self, input_: Tensor) -> tuple[Tensor, ...]:
        """State before the first step, for an input `[B, *shape]`: zeros."""
        step = torch.zeros(len(input_), dtype=torch.int64, device=input_.device)
        return (step, torch.zeros_like(input_), torch.zeros_like(input_))

    def forward(  # type: ignore[override]
        self,
        input_: Tensor,
        step: Tensor | None = None,
        count: Tensor | None = None,
        mem: Tensor | None = None,
    ) -> Tensor | tuple[Tensor, Tensor, Tensor, Tensor]:
        """One step.

        Args:
            input_: Current I, `[B, *shape]`.
            step: Number of this step, `[B]` int64; without it, the one that the module keeps.
            count: N after the previous step; likewise.
            mem: Membrane after the previous step, relative to v_init; likewise.

        Returns:
            Tensor | tuple[Tensor, Tensor, Tensor, Tensor]: Spikes; step, count and membrane too unless `init_hidden` is
            set and `output` is not.

        Raises:
            ArgumentError: If there is a state although `init_hidden` is set.
        """
        now, sent, before = self.state_of(input_, (step, count, mem))
        charged, grew = kept(before, self.kinetics) + input_, grown(sent, self.kinetics)
        spk = self.fire(charged, grew) * self.kinetics.may_fire(now, charged)
        self.step, self.syn, self.mem = now + 1, grew + spk, charged - spk * self.threshold
        return spk if self.init_hidden and not self.output else (spk, self.step, self.syn, self.mem)

    def hidden_twin(self, *, output: bool = False) -> ClockedIF:
        """A copy of the neuron with `init_hidden`, and a state of its own."""
        return ClockedIF(
            self.threshold,
            self.v_init,
            kinetics=self.kinetics,
            max_spikes=self.max_spikes,
            signed=self.signed,
            max_count=self.max_count,
            init_hidden=True,
            output=output,
            spike_grad=self.spike_grad,
        )

    def extra_repr(self) -> str:
        """Threshold shape, kind and kinetics, in the representation of the module."""
        return f"{super().extra_repr()}, {self.kinetics}"
