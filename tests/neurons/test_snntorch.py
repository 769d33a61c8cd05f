"""snnTorch neurons: exactly the textbook neuron, and good citizens wherever snnTorch and torch take modules."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
import warnings
import weakref
from collections.abc import Callable

import pytest
import snntorch as snn
import snntorch.functional as SF
import torch
from hypothesis import given
from hypothesis import strategies as st
from snntorch import utils
from snntorch._neurons.neurons import SpikingNeuron
from snntorch.functional import probe
from torch import Tensor, nn

import dqn2snn
from dqn2snn.errors import ArgumentError
from dqn2snn.neurons.snntorch import IF, SNNTorchNetwork, to_snntorch
from dqn2snn.plan import Reset
from dqn2snn.readout import RobustRate
from tests import agents
from tests.neurons.textbook import dyadic, textbook_neuron

DTYPES = [torch.float64, torch.float16, torch.bfloat16]
FREEWAY = "minatar-freeway"


def run(neuron: IF, currents: Tensor) -> tuple[Tensor, Tensor]:
    """Spikes and membranes [T, B, ...] of a neuron with explicit state."""
    mem, records = torch.zeros_like(currents[0]), []
    for current in currents:
        spk, mem = neuron(current, mem)
        records.append((spk, mem))
    spk_rec, mem_rec = zip(*records, strict=True)
    return torch.stack(spk_rec), torch.stack(mem_rec)


def hidden_net(v_init: float = 0.5) -> nn.Sequential:
    """A flat net of two neurons that keep their membranes: with v_init = 0.5 both fire at the first half current."""
    return nn.Sequential(
        IF(v_init=v_init, init_hidden=True), IF(v_init=v_init, init_hidden=True, output=True)
    )


def unpickled(net: nn.Module) -> nn.Module:
    return pickle.loads(pickle.dumps(net))  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def freeway() -> tuple[SNNTorchNetwork, Tensor]:
    """A MinAtar network and four observations."""
    return to_snntorch(agents.plan(FREEWAY)), agents.observations(FREEWAY)[:4]


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
    dtype: torch.dtype, freeway: tuple[SNNTorchNetwork, Tensor]
) -> None:
    net, observations = copy.deepcopy(freeway[0]).to(dtype), freeway[1]
    assert {tensor.dtype for tensor in net.state_dict().values() if tensor.is_floating_point()} == {dtype}
    spk_rec, mem_rec = net(observations, 8)
    assert spk_rec.dtype == mem_rec.dtype == dtype
    assert set(spk_rec.unique().tolist()) <= {0.0, 1.0}


# Copies and files


def test_neurons_and_networks_survive_pickle(freeway: tuple[SNNTorchNetwork, Tensor]) -> None:
    net, observations = freeway
    twin = pickle.loads(pickle.dumps(net))
    for ours, theirs in zip(net(observations, 20), twin(observations, 20), strict=True):
        assert torch.equal(ours, theirs)


def test_a_whole_network_can_be_saved(freeway: tuple[SNNTorchNetwork, Tensor]) -> None:
    net, observations = freeway
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    twin = torch.load(file, weights_only=False)
    assert torch.equal(twin(observations, 20)[0], net(observations, 20)[0])


def test_the_state_dict_has_the_thresholds_and_loads_into_another_network(
    freeway: tuple[SNNTorchNetwork, Tensor],
) -> None:
    net, observations = freeway
    plan = agents.plan(FREEWAY)
    other = dqn2snn.convert(agents.agent(FREEWAY).network, agents.observations(FREEWAY)[:50], num_steps=100)
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


def test_a_copy_is_equal_and_its_own(freeway: tuple[SNNTorchNetwork, Tensor]) -> None:
    net, observations = freeway
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


# Devices, gradients and monitors


def test_buffers_move_between_devices(freeway: tuple[SNNTorchNetwork, Tensor]) -> None:
    net = copy.deepcopy(freeway[0]).to("meta")
    assert {tensor.device.type for tensor in (*net.parameters(), *net.buffers())} == {"meta"}
    assert {tensor.device.type for tensor in net.to_sequential().buffers()} == {"meta"}
    spk_rec, mem_rec = net(torch.empty(2, *agents.plan(FREEWAY).input_shape, device="meta"), 3)
    assert spk_rec.device.type == mem_rec.device.type == "meta"


def test_inference_mode_leaves_a_network_that_can_be_trained(freeway: tuple[SNNTorchNetwork, Tensor]) -> None:
    net, observations = copy.deepcopy(freeway[0]), freeway[1]
    sequential = net.to_sequential()
    utils.reset(sequential)
    with torch.inference_mode():
        expected = net(observations, 5)[1]
        for _ in range(5):
            _, mem = sequential(observations)
    assert torch.equal(mem, expected[-1])
    utils.reset(sequential)
    for _ in range(5):
        _, mem = sequential(observations)
    (net(observations, 5)[1].sum() + mem.sum()).backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_no_gradient_where_none_is_asked_for(freeway: tuple[SNNTorchNetwork, Tensor]) -> None:
    net, observations = freeway
    with torch.no_grad():
        spk_rec, mem_rec = net(observations, 5)
    assert not spk_rec.requires_grad
    assert not mem_rec.requires_grad


def test_backpropagation_through_time_reaches_every_parameter(
    freeway: tuple[SNNTorchNetwork, Tensor],
) -> None:
    net, observations = copy.deepcopy(freeway[0]), freeway[1]
    spk_rec, mem_rec = net(observations, 12)
    (RobustRate()(spk_rec, mem_rec) ** 2).mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_a_step_of_training_changes_the_answer_for_the_better(
    freeway: tuple[SNNTorchNetwork, Tensor],
) -> None:
    net, observations = copy.deepcopy(freeway[0]), freeway[1]
    target = agents.agent(FREEWAY).network(observations).detach() / agents.plan(FREEWAY).readout_scale + 0.5
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    losses = []
    for _ in range(8):
        loss = nn.functional.mse_loss(RobustRate()(*net(observations, 16)), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_backprop_bptt_trains_the_sequential() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from snntorch.backprop import BPTT
    net = to_snntorch(agents.plan("cartpole")).to_sequential()
    observations = agents.observations("cartpole")[:8]
    loader = [(observations, torch.zeros(8, dtype=torch.int64))]
    before = [parameter.clone() for parameter in net.parameters()]
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    loss = BPTT(net, loader, optimizer, SF.ce_rate_loss(), num_steps=6, time_var=False)
    assert torch.isfinite(loss)
    assert all(not torch.equal(old, new) for old, new in zip(before, net.parameters(), strict=True))


def test_output_monitor_sees_every_layer(freeway: tuple[SNNTorchNetwork, Tensor]) -> None:
    net, observations = freeway
    monitor = probe.OutputMonitor(net, instance=snn.Leaky)
    spk_rec, mem_rec = net(observations, 3)
    assert monitor.monitored_layers == [f"if{i}" for i in range(net.depth)]
    seen = monitor[f"if{net.depth - 1}"]
    assert torch.equal(torch.stack([spk for spk, _ in seen]), spk_rec)
    assert torch.equal(torch.stack([mem for _, mem in seen]), mem_rec)
    monitor.remove_hooks()


# The network


@pytest.mark.parametrize("name", agents.NAMES)
def test_the_steps_of_the_sequential_are_the_records_of_the_network(name: str) -> None:
    net = to_snntorch(agents.plan(name))
    sequential = net.to_sequential()
    assert all(not isinstance(child, nn.Sequential) for child in list(sequential)[1:])
    with torch.no_grad():
        for batch in (3, 5):
            observations = agents.observations(name)[:batch]
            spk_rec, mem_rec = net(observations, 40)
            for _ in range(2):
                utils.reset(sequential)
                steps = [sequential(observations) for _ in range(40)]
                assert torch.equal(torch.stack([spk for spk, _ in steps]), spk_rec)
                assert torch.equal(torch.stack([mem for _, mem in steps]), mem_rec)


def test_the_sequential_shares_weights_and_not_membranes(freeway: tuple[SNNTorchNetwork, Tensor]) -> None:
    net = copy.deepcopy(freeway[0])
    first, second = net.to_sequential(), net.to_sequential()
    assert {id(p) for p in first.parameters()} == {id(p) for p in net.parameters()}
    first(freeway[1])
    assert second[1].mem.shape == (0,)


@pytest.mark.parametrize("name", agents.NAMES)
def test_the_robust_rate_of_the_records_is_the_q_value(name: str) -> None:
    plan, observations = agents.plan(name), agents.observations(name)[:32]
    with torch.no_grad():
        spk_rec, mem_rec = to_snntorch(plan)(observations, 100)
    q = RobustRate()(spk_rec, mem_rec) * plan.readout_scale
    expected = agents.oracle(name, 32).q[99].float()
    torch.testing.assert_close(q, expected, rtol=1e-5, atol=1e-6 * plan.readout_scale)


def test_records_are_time_first(freeway: tuple[SNNTorchNetwork, Tensor]) -> None:
    net, observations = freeway
    spk_rec, mem_rec = net(observations, 7)
    assert spk_rec.shape == mem_rec.shape == (7, 4, agents.plan(FREEWAY).num_actions)


@pytest.mark.parametrize("num_steps", [0, -1])
def test_no_steps_are_refused(num_steps: int, freeway: tuple[SNNTorchNetwork, Tensor]) -> None:
    with pytest.raises(ArgumentError, match=rf"positive.*Found num_steps={num_steps}"):
        freeway[0](freeway[1], num_steps)
