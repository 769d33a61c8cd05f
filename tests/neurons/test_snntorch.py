"""snnTorch neurons: exactly the textbook neuron, with initial membranes that last."""

from __future__ import annotations

import copy

import pytest
import snntorch as snn
import torch
from hypothesis import given
from hypothesis import strategies as st
from snntorch import utils
from torch import Tensor

from dqn2snn.neurons.snntorch import IF, SNNTorchNetwork
from dqn2snn.plan import Reset
from tests.neurons.snntorch_nets import hidden_net, run
from tests.neurons.textbook import dyadic, textbook_neuron

DTYPES = [torch.float64, torch.float16, torch.bfloat16]


# What the neuron computes


@given(
    currents=dyadic((12, 2, 3, 2, 2), low=-1.5, high=3.0),
    threshold=dyadic((3, 1, 1), low=0.25, high=2.0),
    share=dyadic((3, 1, 1), low=-1.0, high=0.984375),
    reset=st.sampled_from(["subtract", "zero"]),
)
def test_it_is_the_textbook_neuron(currents: Tensor, threshold: Tensor, share: Tensor, reset: Reset) -> None:
    """Bit by bit, with a threshold and an initial membrane for every channel of [B, C, H, W]."""
    v_init = share * threshold
    spk_rec, mem_rec = run(IF(threshold, v_init, reset_mechanism=reset), currents)
    spikes, membranes = textbook_neuron(currents, threshold, v_init, reset)
    assert torch.equal(spk_rec, spikes)
    assert torch.equal(mem_rec + v_init, membranes)


@given(currents=dyadic((16, 2, 3), low=-1.5, high=3.0), reset=st.sampled_from(["subtract", "zero"]))
def test_it_fires_as_leaky_without_leak_where_nothing_ties(currents: Tensor, reset: Reset) -> None:
    theta = 1 + 1 / 4096  # the currents are multiples of 1/64
    leaky = snn.Leaky(beta=1.0, threshold=theta, reset_mechanism=reset)
    assert torch.equal(run(IF(theta, reset_mechanism=reset), currents)[0], run(leaky, currents)[0])


def test_a_membrane_above_two_thresholds_keeps_all_its_spikes() -> None:
    """`snntorch.Leaky(reset_delay=False)` alone fires twice here and stays at 1.7 for ever."""
    currents = torch.tensor([3.7, 0.0, 0.0, 0.0, 0.0]).reshape(5, 1, 1)
    spk_rec, mem_rec = run(IF(), currents)
    assert spk_rec.flatten().tolist() == [1, 1, 1, 0, 0]
    assert mem_rec[-1].item() == pytest.approx(0.7)


def test_a_membrane_that_equals_the_threshold_fires() -> None:
    currents = torch.full((4, 1, 1), 0.5)
    assert run(IF(), currents)[0].flatten().tolist() == [0, 1, 0, 1]
    assert run(IF(1.5, 0.5), currents)[0].flatten().tolist() == [0, 1, 0, 0]


# Initial membranes


def test_v_init_survives_reset_mem() -> None:
    neuron = IF(v_init=0.5, init_hidden=True)
    half = torch.full((2, 1), 0.5)
    assert [neuron(half).sum().item() for _ in range(2)] == [2, 0]
    neuron.reset_mem()
    assert [neuron(half).sum().item() for _ in range(2)] == [2, 0]


def test_v_init_survives_utils_reset() -> None:
    net = hidden_net()
    utils.reset(net)
    half = torch.full((2, 1), 0.5)
    first = [net(half)[0].sum().item() for _ in range(3)]
    utils.reset(net)
    assert [net(half)[0].sum().item() for _ in range(3)] == first == [2, 0, 2]


def test_v_init_survives_a_new_batch_size() -> None:
    neuron = IF(v_init=0.5, init_hidden=True)
    for batch in (2, 5, 1):
        assert torch.equal(neuron(torch.full((batch, 3), 0.5)), torch.ones(batch, 3))


def test_v_init_holds_without_a_state() -> None:
    spk, mem = IF(v_init=0.5)(torch.full((2, 1), 0.25))
    assert not spk.any()
    assert torch.equal(mem, torch.full((2, 1), 0.25))  # relative to v_init


# Numbers


@pytest.mark.parametrize("threshold", [2, torch.tensor(2), torch.tensor([2, 2, 2])])
def test_whole_number_thresholds_become_floating(threshold: int | Tensor) -> None:
    neuron = IF(threshold, v_init=0.5)
    assert neuron.threshold.dtype == neuron.v_init.dtype == torch.float32
    assert neuron.v_init == 0.5
    assert neuron.half().threshold.dtype == torch.float16


def test_changing_the_given_threshold_later_changes_no_neuron() -> None:
    threshold = torch.ones(3)
    neuron = IF(threshold)
    threshold += 1
    assert neuron.threshold.tolist() == [1, 1, 1]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_networks_of_other_dtypes_run_and_keep_theirs(
    dtype: torch.dtype, snntorch_freeway: tuple[SNNTorchNetwork, Tensor]
) -> None:
    net, observations = copy.deepcopy(snntorch_freeway[0]).to(dtype), snntorch_freeway[1]
    assert {tensor.dtype for tensor in net.state_dict().values() if tensor.is_floating_point()} == {dtype}
    spk_rec, mem_rec = net(observations, 8)
    assert spk_rec.dtype == mem_rec.dtype == dtype
    assert set(spk_rec.unique().tolist()) <= {0.0, 1.0}
