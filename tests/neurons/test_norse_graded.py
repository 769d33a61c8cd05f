"""Norse cells that send several spikes, take some back and count: exact, and like Norse's own with their state."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import norse.torch as norse
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from dqn2snn.neurons._norse_graded import GradedIFParameters, GradedIFState, graded_if_feed_forward_step
from dqn2snn.neurons.norse import GradedIFCell, reset_rows
from tests.neurons.textbook import dyadic, textbook_graded

KINDS = st.fixed_dictionaries(
    {
        "max_spikes": st.integers(1, 5),
        "signed": st.booleans(),
        "max_count": st.none() | st.integers(1, 9),
    }
)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@given(
    currents=dyadic((10, 2, 3, 2, 2), low=-4.0, high=5.0),
    threshold=dyadic((3, 1, 1), low=0.25, high=2.0),
    v_init=dyadic((3, 2, 2), low=-1.0, high=2.5),
    kind=KINDS,
)
def test_it_is_the_textbook_neuron(
    currents: Tensor, threshold: Tensor, v_init: Tensor, kind: dict[str, int], dtype: torch.dtype
) -> None:
    """Bit by bit, with a threshold for every channel and an initial membrane for every neuron of [B, C, H, W]."""
    spikes, counts, membranes = textbook_graded(currents, threshold, v_init, **kind)  # type: ignore[arg-type]
    neurons = GradedIFCell(threshold, v_init, **kind).to(dtype)  # type: ignore[arg-type]
    state = None
    for step, current in enumerate(currents.to(dtype)):
        z, state = neurons(current, state)
        assert torch.equal(z, spikes[step].to(dtype))
        assert torch.equal(state.v, membranes[step].to(dtype))
        assert torch.equal(state.n, counts[step].to(dtype))
    over_time, last = norse.Lift(neurons)(currents.to(dtype))
    assert torch.equal(over_time, spikes.to(dtype))
    assert torch.equal(last.v, state.v)


@given(currents=dyadic((9, 2, 3), low=-4.0, high=5.0), kind=KINDS)
def test_a_run_continues_from_its_state(currents: Tensor, kind: dict[str, int]) -> None:
    cell = GradedIFCell(torch.tensor([0.5, 1.0, 2.0]), 0.25, **kind)  # type: ignore[arg-type]
    neurons = norse.Lift(cell)
    whole, end = neurons(currents)
    first, middle = neurons(currents[:4])
    rest, last = neurons((currents[4:], middle))
    assert torch.equal(torch.cat([first, rest]), whole)
    assert all(torch.equal(a, b) for a, b in zip(last, end, strict=True))


def test_the_step_is_a_pure_function_with_parameters_of_its_own() -> None:
    p = GradedIFParameters(v_th=torch.tensor(2.0), max_spikes=3, signed=True)
    before = GradedIFState(v=torch.tensor([1.0]), n=torch.tensor([2.0]))
    z, after = graded_if_feed_forward_step(torch.tensor([-3.5]), before, p, dt=0.001)
    assert (z.item(), after.v.item(), after.n.item()) == (-2.0, 1.5, 0.0)
    assert (before.v.item(), before.n.item()) == (1.0, 2.0)


def test_the_state_is_a_named_tuple_of_membrane_and_count() -> None:
    _, state = GradedIFCell()(torch.zeros(2, 3))
    assert isinstance(state, GradedIFState)
    assert state._asdict().keys() == {"v", "n"}


def test_norse_sees_that_it_has_a_state() -> None:
    net = norse.SequentialState(nn.Identity(), GradedIFCell(max_spikes=4))
    spikes, state = norse.Lift(net)(torch.full((3, 2, 1), 1.5))
    assert spikes[:, 0, 0].tolist() == [1, 2, 1]
    assert state[1].n.tolist() == [[4], [4]]


def test_single_rows_begin_anew_in_nested_networks_too() -> None:
    inner = norse.SequentialState(GradedIFCell(v_0=0.5, max_spikes=3), GradedIFCell(max_spikes=3))
    net = norse.SequentialState(nn.Identity(), inner)
    current = torch.full((3, 1), 1.25)
    counts = []
    state = None
    for step in range(3):
        if step == 2:
            state = reset_rows(net, state, torch.tensor([False, True, False]))
        _, state = net(current, state)
        counts.append(torch.stack([cell.n for cell in state[1]]))
    assert torch.equal(counts[2][:, 1], counts[0][:, 1])
    assert (counts[2][:, ::2] > counts[1][:, ::2]).all()


def test_resetting_changes_no_state_in_place() -> None:
    net = norse.SequentialState(GradedIFCell())
    _, state = net(torch.full((2, 1), 1.5))
    fresh = reset_rows(net, state, torch.tensor([True, True]))
    assert not fresh[0].n.any()
    assert state[0].n.all()


def test_a_state_that_is_not_there_yet_stays_so() -> None:
    net = norse.SequentialState(nn.Identity(), GradedIFCell())
    assert reset_rows(net, [None, None], torch.tensor([True])) == [None, None]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_other_dtypes_are_kept(dtype: torch.dtype) -> None:
    cell = GradedIFCell(2, 0.5, max_spikes=3, signed=True).to(dtype)
    z, state = cell(torch.full((2, 3), 7.0, dtype=dtype))
    assert {z.dtype, state.v.dtype, state.n.dtype} == {dtype}
    assert z.unique().tolist() == [3]


def test_thresholds_are_in_the_state_dict_and_move() -> None:
    cell = GradedIFCell(torch.full((3, 1, 1), 2.0), torch.zeros(3, 2, 2))
    assert set(cell.state_dict()) == {"v_th", "v_0"}
    z, state = cell.to("meta")(torch.empty(4, 3, 2, 2, device="meta"))
    assert z.device.type == state.n.device.type == "meta"


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda cell: pickle.loads(pickle.dumps(cell))])
def test_a_copy_is_equal_and_its_own(duplicate: Callable[[nn.Module], nn.Module]) -> None:
    cell = GradedIFCell(v_0=0.5, max_spikes=3)
    twin = duplicate(cell)
    cell.v_th += 1
    assert twin(torch.full((1,), 2.0))[0] == 2
    assert GradedIFParameters().v_th == GradedIFCell().v_th == 1


def test_outputs_need_gradients_only_if_inputs_do() -> None:
    current = torch.rand(2, 3)
    z, state = GradedIFCell()(current)
    assert not (z.requires_grad)
    assert not (state.v.requires_grad)
    assert not (state.n.requires_grad)
    assert GradedIFCell()(current.requires_grad_())[0].requires_grad


def test_it_says_what_it_is() -> None:
    text = repr(GradedIFCell(max_spikes=4, signed=True, max_count=16))
    assert "max_spikes=4, signed=True, max_count=16" in text
