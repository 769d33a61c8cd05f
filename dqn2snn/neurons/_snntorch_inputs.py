"""Modules with a state between synapses and neurons, in snnTorch's way."""

from __future__ import annotations

import snntorch as snn
import torch
from torch import Tensor, nn

from dqn2snn.neurons._snntorch_state import StatefulModule
from dqn2snn.neurons.step_currents import StepCurrents, at_onset


class _Input(StatefulModule, snn.Leaky):  # type: ignore[misc]
    """A module that `utils.reset` takes for a `snntorch.Leaky`, and that has nothing of it but `mem`."""

    mem: Tensor

    def __init__(self, init_hidden: bool) -> None:
        nn.Module.__init__(self)
        self.init_hidden, self.output = init_hidden, False
        self.register_buffer("mem", torch.zeros(0), persistent=False)
        self.register()

    def _returned(self, out: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        return out if self.init_hidden else (out, self.mem)

    def extra_repr(self) -> str:
        """Nothing: the state has the shape of the input."""
        return ""


class Difference(_Input):
    """The change of a level since the step before: what the first neurons of a "delta" network receive.

    A level that stays is presented once, as its difference to the level before; at first that is zero. Called as
    `snntorch.Leaky` is, with the level last seen in the place of the membrane.

    Args:
        init_hidden: Keep the level in the module.

    Example:
        >>> difference = Difference(init_hidden=True)
        >>> [difference(torch.tensor([level])).item() for level in (2.0, 2.0, 1.5)]
        [2.0, 0.0, -0.5]
    """

    def __init__(self, *, init_hidden: bool = False) -> None:
        super().__init__(init_hidden)

    def forward(self, input_: Tensor, mem: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """The change, and the level too unless `init_hidden` is set."""
        (before,) = self.state_of(input_, (mem,))
        self.mem = input_
        return self._returned(input_ - before)

    def hidden_twin(self, *, output: bool = False) -> Difference:
        """A copy of the module with `init_hidden`."""
        return Difference(init_hidden=True)


class Clock(_Input):
    """A counter of the steps of a decision, in the place of the membrane."""

    def __init__(self, init_hidden: bool) -> None:
        super().__init__(init_hidden)
        self.mem = self.mem.long()

    def initial(self, input_: Tensor) -> tuple[Tensor, ...]:
        """The first step, for every row of the batch."""
        return (torch.zeros(len(input_), dtype=torch.int64, device=input_.device),)


class Onset(Clock):
    """A current that is present at the first step of a decision only: what the first neurons of digit codes receive.

    Args:
        init_hidden: Keep the number of the step in the module.

    Example:
        >>> onset = Onset(init_hidden=True)
        >>> [onset(torch.full((1, 1), 0.75)).item() for _ in range(3)]
        [0.75, 0.0, 0.0]
    """

    def __init__(self, *, init_hidden: bool = False) -> None:
        super().__init__(init_hidden)

    def forward(self, input_: Tensor, mem: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """The current or zeros, and the number of the next step too unless `init_hidden` is set."""
        (step,) = self.state_of(input_, (mem,))
        self.mem = step + 1
        return self._returned(at_onset(input_, step))

    def hidden_twin(self, *, output: bool = False) -> Onset:
        """A copy of the module with `init_hidden`."""
        return Onset(init_hidden=True)


class StepBias(Clock):
    """A bias current for each step; `utils.reset` begins again with the first.

    Args:
        currents: The currents, which twins share.
        init_hidden: Keep the number of the step in the module.

    Example:
        >>> bias = StepBias(StepCurrents(torch.tensor([[0.25], [0.5]])), init_hidden=True)
        >>> [bias(torch.zeros(1, 1)).item() for _ in range(3)]
        [0.25, 0.5, 0.0]
    """

    def __init__(self, currents: StepCurrents, *, init_hidden: bool = False) -> None:
        super().__init__(init_hidden)
        self.currents = currents

    def forward(self, input_: Tensor, mem: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """The input with this step's current, and the number of the next step too unless `init_hidden` is set."""
        (step,) = self.state_of(input_, (mem,))
        self.mem = step + 1
        return self._returned(self.currents(input_, step))

    def hidden_twin(self, *, output: bool = False) -> StepBias:
        """A copy of the module with `init_hidden`, and the same currents."""
        return StepBias(self.currents, init_hidden=True)
