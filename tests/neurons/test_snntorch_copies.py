"""Copies of snnTorch networks, files of them, and the registry that finds them."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
import weakref
from collections.abc import Callable

import pytest
import snntorch as snn
import torch
from snntorch import utils
from snntorch._neurons.neurons import SpikingNeuron
from torch import Tensor, nn

import dqn2snn
from dqn2snn.neurons import _snntorch_state
from dqn2snn.neurons.snntorch import IF, SNNTorchNetwork, to_snntorch
from tests import agents
from tests.neurons.snntorch_nets import hidden_net, unpickled

FREEWAY = "minatar-freeway"


# Copies and files


def test_neurons_and_networks_survive_pickle(snntorch_freeway: tuple[SNNTorchNetwork, Tensor]) -> None:
    net, observations = snntorch_freeway
    twin = pickle.loads(pickle.dumps(net))
    for ours, theirs in zip(net(observations, 20), twin(observations, 20), strict=True):
        assert torch.equal(ours, theirs)


def test_a_whole_network_can_be_saved(snntorch_freeway: tuple[SNNTorchNetwork, Tensor]) -> None:
    net, observations = snntorch_freeway
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    twin = torch.load(file, weights_only=False)
    assert torch.equal(twin(observations, 20)[0], net(observations, 20)[0])


def test_the_state_dict_has_the_thresholds_and_loads_into_another_network(
    snntorch_freeway: tuple[SNNTorchNetwork, Tensor],
) -> None:
    net, observations = snntorch_freeway
    plan = agents.plan(FREEWAY)
    other = dqn2snn.convert(
        agents.agent(FREEWAY), agents.observations(FREEWAY)[:50], recipe="tan2021", num_steps=100
    )
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    assert {f"if{i}.{name}" for i in range(len(plan.all_layers)) for name in ("threshold", "v_init")} <= set(
        state
    )
    twin = to_snntorch(other.plan)
    assert not torch.equal(twin(observations, 50)[1], net(observations, 50)[1])
    twin.load_state_dict(state)
    assert torch.equal(twin(observations, 50)[1], net(observations, 50)[1])


def test_thresholds_load_from_a_state_dict() -> None:
    neuron = IF(torch.full((3, 1, 1), 2.0), torch.full((3, 1, 1), 0.5))
    other = IF(torch.ones(3, 1, 1), torch.zeros(3, 1, 1))
    other.load_state_dict(neuron.state_dict())
    assert torch.equal(other.threshold, neuron.threshold)
    assert torch.equal(other.v_init, neuron.v_init)


def test_a_copy_is_equal_and_its_own(snntorch_freeway: tuple[SNNTorchNetwork, Tensor]) -> None:
    net, observations = snntorch_freeway
    twin = copy.deepcopy(net)
    before = net(observations, 20)
    assert torch.equal(twin(observations, 20)[1], before[1])
    with torch.no_grad():
        for tensor in twin.state_dict().values():
            tensor.zero_()
    assert torch.equal(net(observations, 20)[1], before[1])


@pytest.mark.parametrize("duplicate", [copy.deepcopy, unpickled])
def test_networks_can_be_copied_after_a_forward_with_gradients(
    duplicate: Callable[[nn.Module], nn.Module],
) -> None:
    """The membrane that such a forward leaves has a history, which torch refuses to copy."""
    net = nn.Sequential(nn.Linear(3, 4), IF(init_hidden=True, output=True))
    _, mem = net(torch.rand(2, 3))
    assert mem.requires_grad
    twin = duplicate(net)
    assert torch.equal(twin(torch.ones(2, 3))[1], net(torch.ones(2, 3))[1])


# snnTorch's registry of neurons


@pytest.mark.parametrize("duplicate", [copy.deepcopy, unpickled])
def test_utils_reset_reaches_copies(duplicate: Callable[[nn.Module], nn.Module]) -> None:
    """snnTorch enters neurons in its registry in their constructor, which copies never see."""
    net, half = duplicate(hidden_net()), torch.full((2, 1), 0.5)
    first = [net(half)[0].sum().item() for _ in range(3)]
    utils.reset(net)
    assert [net(half)[0].sum().item() for _ in range(3)] == first == [2, 0, 2]


def registered() -> list[object]:
    return [entry for entry in SpikingNeuron.instances if entry is not None]


def test_networks_are_freed_when_they_are_dropped() -> None:
    before = len(registered())
    net = hidden_net()
    utils.reset(net)
    twin = copy.deepcopy(net)
    alive = [weakref.ref(neuron) for neuron in (*net, *twin)]
    assert len(registered()) == before + 4
    del net, twin
    assert not any(reference() for reference in alive)
    assert len(registered()) == before


def test_the_registry_does_not_grow() -> None:
    size = len(SpikingNeuron.instances)
    for _ in range(50):
        hidden_net()
    assert len(SpikingNeuron.instances) <= size + 2


def test_neurons_may_die_when_python_has_emptied_their_module(monkeypatch: pytest.MonkeyPatch) -> None:
    caught: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", caught.append)
    net = hidden_net()
    for name in [name for name in vars(_snntorch_state) if not name.startswith("__")]:
        monkeypatch.setattr(_snntorch_state, name, None)  # as at the end of the interpreter
    del net
    assert not caught


def test_other_peoples_neurons_stay_registered() -> None:
    stock = snn.Leaky(beta=0.9, init_hidden=True)
    IF()
    assert any(entry is stock for entry in SpikingNeuron.instances)


def test_neurons_may_die_while_utils_reset_walks_the_registry() -> None:
    """As they do when the garbage collector runs, which any new tensor may start."""
    doomed: list[nn.Sequential] = []

    class Undertaker(IF):
        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, value)
            doomed.clear()

    last = IF(init_hidden=True, output=True)
    net = nn.Sequential(Undertaker(init_hidden=True), last)
    net(torch.full((2, 1), 1.5))
    doomed.append(hidden_net())
    utils.reset(net)
    assert not doomed
    assert not last.mem.any()


def test_the_interpreter_exits_quietly() -> None:
    code = "from dqn2snn.neurons.snntorch import IF; neuron = IF(); other = IF(); del other"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
