"""snnTorch neurons that send several spikes, take some back and count: exact, and reset like snnTorch's own."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable

import pytest
import snntorch as snn
import torch
from hypothesis import given
from hypothesis import strategies as st
from snntorch import utils
from torch import Tensor, nn

from dqn2snn.errors import ArgumentError
from dqn2snn.neurons.snntorch import IF, GradedIF, reset_rows
from tests.neurons import snntorch_nets
from tests.neurons.snntorch_nets import unpickled
from tests.neurons.textbook import dyadic, textbook_graded


def run(neuron: GradedIF, currents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Spikes, counts and membranes [T, B, ...] of a neuron with explicit state."""
    count = mem = torch.zeros_like(currents[0])
    records = []
    for current in currents:
        spk, count, mem = neuron(current, count, mem)
        records.append((spk, count, mem))
    spk_rec, count_rec, mem_rec = zip(*records, strict=True)
    return torch.stack(spk_rec), torch.stack(count_rec), torch.stack(mem_rec)


def hidden_net() -> nn.Sequential:
    """A flat net of neurons that keep their state, the last of which returns it."""
    return nn.Sequential(
        GradedIF(v_init=0.5, max_spikes=2, signed=True, init_hidden=True),
        GradedIF(max_spikes=2, signed=True, init_hidden=True, output=True),
    )


def present(net: nn.Module, steps: int = 4, batch: int = 2) -> list[float]:
    """Counts of the output after each step of a current of 1.5."""
    return [net(torch.full((batch, 1), 1.5))[1].sum().item() / batch for _ in range(steps)]


# What the neuron computes


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@given(
    currents=dyadic((10, 2, 3, 2, 2), low=-4.0, high=5.0),
    threshold=dyadic((3, 1, 1), low=0.25, high=2.0),
    v_init=dyadic((3, 2, 2), low=-1.0, high=2.5),
    max_spikes=st.integers(1, 5),
    signed=st.booleans(),
    max_count=st.none() | st.integers(1, 9),
)
def test_it_is_the_textbook_neuron(
    currents: Tensor,
    threshold: Tensor,
    v_init: Tensor,
    max_spikes: int,
    signed: bool,
    max_count: int | None,
    dtype: torch.dtype,
) -> None:
    """Bit by bit, with a threshold for every channel and an initial membrane for every neuron of [B, C, H, W]."""
    options = {"max_spikes": max_spikes, "signed": signed, "max_count": max_count}
    neuron = GradedIF(threshold, v_init, **options).to(dtype)  # type: ignore[arg-type]
    spk_rec, count_rec, mem_rec = run(neuron, currents.to(dtype))
    spikes, counts, membranes = textbook_graded(currents, threshold, v_init, max_spikes, signed, max_count)
    assert torch.equal(spk_rec, spikes.to(dtype))
    assert torch.equal(count_rec, counts.to(dtype))
    assert torch.equal(mem_rec + v_init, membranes.to(dtype))


@given(currents=dyadic((12, 2, 3), low=-1.5, high=3.0), v_init=dyadic((3,), low=-1.0, high=2.0))
def test_with_one_spike_a_step_it_is_the_plain_neuron(currents: Tensor, v_init: Tensor) -> None:
    threshold = torch.tensor([0.5, 1.0, 1.25])
    spk_rec, count_rec, mem_rec = run(GradedIF(threshold, v_init), currents)
    plain_spk_rec, plain_mem_rec = snntorch_nets.run(IF(threshold, v_init), currents)
    assert torch.equal(spk_rec, plain_spk_rec)
    assert torch.equal(mem_rec, plain_mem_rec)
    assert torch.equal(count_rec, plain_spk_rec.cumsum(0))


@pytest.mark.parametrize(("init_hidden", "output"), [(False, False), (True, False), (True, True)])
def test_it_returns_what_synaptic_returns(init_hidden: bool, output: bool) -> None:
    ours = GradedIF(init_hidden=init_hidden, output=output)
    theirs = snn.Synaptic(alpha=0.9, beta=0.9, init_hidden=init_hidden, output=output)
    current = torch.full((2, 3), 1.5)
    assert len(ours.reset_mem()) == len(theirs.reset_mem()) == 2
    assert len(ours(current)) == len(theirs(current))
    assert isinstance(ours(current), type(theirs(current)))


# State


def test_count_and_membrane_begin_anew_together() -> None:
    neuron = GradedIF(v_init=0.5, max_spikes=2, signed=True, init_hidden=True, output=True)
    first = present(neuron)
    assert present(neuron) != first
    neuron.reset_mem()
    assert present(neuron) == first
    assert present(neuron, batch=5) == first


@pytest.mark.parametrize("duplicate", [lambda net: net, copy.deepcopy, unpickled])
def test_utils_reset_begins_anew(duplicate: Callable[[nn.Module], nn.Module]) -> None:
    net = duplicate(hidden_net())
    utils.reset(net)
    first = present(net)
    assert present(net) != first
    utils.reset(net)
    assert present(net) == first


def test_single_rows_begin_anew() -> None:
    net, fresh = hidden_net(), hidden_net()
    current = torch.full((3, 1), 1.5)
    for _ in range(4):
        net(current)
    reset_rows(net, torch.tensor([False, True, False]))
    for after, expected in zip(net(current), fresh(current), strict=True):
        assert after[1] == expected[1]
        assert after[0] == after[2]
    assert net(current)[1][0] > fresh(current)[1][0]


def test_rows_of_a_network_that_has_not_run_are_at_rest_already() -> None:
    net = hidden_net()
    reset_rows(net, torch.tensor([True]))
    assert present(net) == present(hidden_net())


@pytest.mark.parametrize("state", [(torch.zeros(2, 1), None), (None, torch.zeros(2, 1))])
def test_half_a_state_is_refused(state: tuple[Tensor | None, Tensor | None]) -> None:
    with pytest.raises(ArgumentError, match=r"whole state, 2 tensors.*Found 1"):
        GradedIF()(torch.ones(2, 1), *state)


def test_a_state_beside_a_hidden_one_is_refused() -> None:
    with pytest.raises(ArgumentError, match="init_hidden"):
        GradedIF(init_hidden=True)(torch.ones(2, 1), torch.zeros(2, 1), torch.zeros(2, 1))


# As a module


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_other_dtypes_are_kept(dtype: torch.dtype) -> None:
    neuron = GradedIF(2, 0.5, max_spikes=3, signed=True).to(dtype)
    assert {tensor.dtype for tensor in neuron.state_dict().values() if tensor.is_floating_point()} == {dtype}
    outputs = neuron(torch.full((2, 3), 7.0, dtype=dtype))
    assert [output.dtype for output in outputs] == [dtype] * 3
    assert outputs[0].unique().tolist() == [3]


def test_copies_after_a_forward_with_gradients_go_on_where_it_was() -> None:
    net = nn.Sequential(nn.Linear(3, 4), GradedIF(max_spikes=3, init_hidden=True, output=True))
    net(torch.rand(2, 3) + 1)
    for twin in (copy.deepcopy(net), unpickled(net)):
        assert torch.equal(twin(torch.ones(2, 3))[2], copy.deepcopy(net)(torch.ones(2, 3))[2])


def test_networks_are_freed_when_they_are_dropped() -> None:
    net = hidden_net()
    alive = [weakref.ref(neuron) for neuron in net]
    del net
    assert not any(reference() for reference in alive)


def test_thresholds_load_from_a_state_dict() -> None:
    neuron = GradedIF(torch.full((3, 1, 1), 2.0), torch.rand(3, 2, 2), max_spikes=2)
    other = GradedIF(torch.ones(3, 1, 1), torch.zeros(3, 2, 2), max_spikes=2)
    other.load_state_dict(neuron.state_dict())
    current = torch.full((1, 3, 2, 2), 3.5)
    assert all(torch.equal(a, b) for a, b in zip(other(current), neuron(current), strict=True))


def test_it_says_what_it_is() -> None:
    assert "max_spikes=4, signed=True, max_count=16" in repr(
        GradedIF(max_spikes=4, signed=True, max_count=16)
    )
