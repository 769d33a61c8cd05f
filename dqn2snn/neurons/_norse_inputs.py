"""Modules with a state between synapses and neurons, in Norse's way."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from dqn2snn.neurons.step_currents import StepCurrents, at_onset


class DifferenceState(NamedTuple):
    """State of a `DifferenceCell`: the level that it has seen last, `[B, *shape]`."""

    level: Tensor


class DifferenceCell(nn.Module):
    """The change of a level since the step before: what the first neurons of a "delta" network receive.

    A level that stays is presented once, as its difference to the level before; at first that is zero.

    Example:
        >>> cell, state, changes = DifferenceCell(), None, []
        >>> for level in (2.0, 2.0, 1.5):
        ...     change, state = cell(torch.tensor([level]), state)
        ...     changes.append(change.item())
        >>> changes
        [2.0, 0.0, -0.5]
    """

    def forward(
        self, input_tensor: Tensor, state: DifferenceState | None = None
    ) -> tuple[Tensor, DifferenceState]:
        """The change, and the level as the state."""
        before = self.initial_state(input_tensor) if state is None else state
        return input_tensor - before.level, DifferenceState(input_tensor)

    def initial_state(self, input_tensor: Tensor) -> DifferenceState:
        """State before the first step, for an input `[B, *shape]`: a level of zero."""
        return DifferenceState(torch.zeros_like(input_tensor))


class StepState(NamedTuple):
    """State of a cell that counts the steps of a decision: the number of the next step, `[B]` int64."""

    step: Tensor


class OnsetCell(nn.Module):
    """A current that is present at the first step of a decision only: what the first neurons of digit codes receive.

    Example:
        >>> cell, state = OnsetCell(), None
        >>> for _ in range(2):
        ...     current, state = cell(torch.full((1, 1), 0.75), state)
        ...     print(current.item())
        0.75
        0.0
    """

    def forward(self, input_tensor: Tensor, state: StepState | None = None) -> tuple[Tensor, StepState]:
        """The current or zeros, and the number of the next step as the state."""
        before = self.initial_state(input_tensor) if state is None else state
        return at_onset(input_tensor, before.step), StepState(before.step + 1)

    def initial_state(self, input_tensor: Tensor) -> StepState:
        """State before the first step: its number, for every row of the batch."""
        return first_step(input_tensor)


class StepBiasCell(nn.Module):
    """A bias current for each step; a new state begins again with the first.

    Args:
        currents: The currents.

    Example:
        >>> cell = StepBiasCell(StepCurrents(torch.tensor([[0.25], [0.5]])))
        >>> _, state = cell(torch.zeros(1, 1))
        >>> cell(torch.zeros(1, 1), state)
        (tensor([[0.5000]], grad_fn=<AddBackward0>), StepState(step=tensor([2])))
    """

    def __init__(self, currents: StepCurrents) -> None:
        super().__init__()
        self.currents = currents

    def forward(self, input_tensor: Tensor, state: StepState | None = None) -> tuple[Tensor, StepState]:
        """The input with this step's current, and the number of the next step as the state."""
        before = self.initial_state(input_tensor) if state is None else state
        return self.currents(input_tensor, before.step), StepState(before.step + 1)

    def initial_state(self, input_tensor: Tensor) -> StepState:
        """State before the first step: its number, for every row of the batch."""
        return first_step(input_tensor)


def first_step(input_tensor: Tensor) -> StepState:
    """The number of the first step, for every row of a batch."""
    return StepState(torch.zeros(len(input_tensor), dtype=torch.int64, device=input_tensor.device))
