"""The staircase of graded neurons: whole spikes within a range, and the gradient of a rate."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from norse.torch import Lift
from torch import Tensor

from dqn2snn.neurons.norse import GradedIFCell
from dqn2snn.neurons.staircase import Staircase, spike_range
from tests.neurons.textbook import dyadic


def fired(x: Tensor, lowest: float, highest: float) -> Tensor:
    return Staircase()(x, torch.full_like(x, lowest), torch.full_like(x, highest))


def test_it_rounds_down_and_stays_in_its_range() -> None:
    x = torch.tensor([-9.0, -1.5, -0.25, 0.0, 0.75, 1.0, 3.5, 9.0])
    assert fired(x, -2, 3).tolist() == [-2, -2, -1, 0, 0, 1, 3, 3]
    assert fired(x, 0, 1).tolist() == [0, 0, 0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_it_keeps_the_dtype(dtype: torch.dtype) -> None:
    x = torch.tensor([0.5, 2.5], dtype=dtype, requires_grad=True)
    spikes = fired(x, 0, 4)
    spikes.sum().backward()
    assert spikes.dtype == dtype
    assert x.grad is not None
    assert x.grad.dtype == dtype


def test_gradients_pass_inside_the_range_only() -> None:
    x = torch.tensor([-2.5, -2.0, -0.5, 0.5, 3.5, 4.0], requires_grad=True)
    fired(x, -2, 3).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 1, 1, 1, 1, 0]


def test_a_neuron_that_may_send_nothing_has_no_gradient() -> None:
    x = torch.tensor([-0.5, 0.5, 1.5], requires_grad=True)
    fired(x, 0, 0).sum().backward()
    assert x.grad is not None
    assert not x.grad.any()


def test_the_range_is_what_can_be_taken_back_and_what_is_left_to_send() -> None:
    count = torch.tensor([0.0, 1.0, 5.0, 8.0])
    lowest, highest = spike_range(count, 3, True, 8)
    assert lowest.tolist() == [0, -1, -3, -3]
    assert highest.tolist() == [3, 3, 3, 0]
    lowest, highest = spike_range(count, 3, False, None)
    assert not lowest.any()
    assert highest.tolist() == [3, 3, 3, 3]


@given(
    currents=dyadic((7, 2, 3), low=-3.0, high=4.0),
    max_spikes=st.integers(1, 4),
    signed=st.booleans(),
    max_count=st.none() | st.integers(1, 6),
)
def test_what_is_sent_and_what_is_left_have_the_gradient_of_the_current(
    currents: Tensor, max_spikes: int, signed: bool, max_count: int | None
) -> None:
    """Of N theta + V, whatever the spikes: the robust rate of the output passes gradients exactly."""
    currents.requires_grad_()
    theta = torch.tensor([0.5, 1.0, 1.5])
    z, state = Lift(GradedIFCell(theta, max_spikes=max_spikes, signed=signed, max_count=max_count))(currents)
    (z.sum(0) * theta + state.v).sum().backward()
    assert torch.allclose(currents.grad, torch.ones_like(currents))  # type: ignore[arg-type]


def test_a_rate_inside_its_range_has_the_gradient_of_a_relu() -> None:
    currents = torch.tensor([0.4, 1.3, -0.7]).expand(6, 1, 3).clone().requires_grad_()
    z, _ = Lift(GradedIFCell(v_0=0.5, max_spikes=2))(currents)
    z.mean(0).sum().backward()
    assert currents.grad is not None
    torch.testing.assert_close(currents.grad.sum(0), torch.tensor([[1.0, 1.0, 0.0]]))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_it_can_be_copied(duplicate: object) -> None:
    assert callable(duplicate)
    assert duplicate(Staircase())(torch.tensor(2.5), torch.tensor(0.0), torch.tensor(9.0)) == 2
