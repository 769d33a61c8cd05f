"""Networks of snnTorch neurons: good citizens wherever snnTorch and torch take modules."""

from __future__ import annotations

import copy
import warnings

import pytest
import snntorch as snn
import snntorch.functional as SF
import torch
from snntorch import utils
from snntorch.functional import probe
from torch import Tensor, nn

from dqn2snn.dynamics.readout import RobustRate
from dqn2snn.errors import ArgumentError
from dqn2snn.neurons.snntorch import SNNTorchNetwork, to_snntorch
from tests import agents

FREEWAY = "minatar-freeway"


# Devices, gradients and monitors


def test_buffers_move_between_devices(snntorch_freeway: tuple[SNNTorchNetwork, Tensor]) -> None:
    net = copy.deepcopy(snntorch_freeway[0]).to("meta")
    assert {tensor.device.type for tensor in (*net.parameters(), *net.buffers())} == {"meta"}
    assert {tensor.device.type for tensor in net.to_sequential().buffers()} == {"meta"}
    spk_rec, mem_rec = net(torch.empty(2, *agents.plan(FREEWAY).input_shape, device="meta"), 3)
    assert spk_rec.device.type == mem_rec.device.type == "meta"


def test_inference_mode_leaves_a_network_that_can_be_trained(
    snntorch_freeway: tuple[SNNTorchNetwork, Tensor],
) -> None:
    net, observations = copy.deepcopy(snntorch_freeway[0]), snntorch_freeway[1]
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


def test_no_gradient_where_none_is_asked_for(snntorch_freeway: tuple[SNNTorchNetwork, Tensor]) -> None:
    net, observations = snntorch_freeway
    with torch.no_grad():
        spk_rec, mem_rec = net(observations, 5)
    assert not spk_rec.requires_grad
    assert not mem_rec.requires_grad


def test_backpropagation_through_time_reaches_every_parameter(
    snntorch_freeway: tuple[SNNTorchNetwork, Tensor],
) -> None:
    net, observations = copy.deepcopy(snntorch_freeway[0]), snntorch_freeway[1]
    spk_rec, mem_rec = net(observations, 12)
    (RobustRate()(spk_rec, mem_rec) ** 2).mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_a_step_of_training_changes_the_answer_for_the_better(
    snntorch_freeway: tuple[SNNTorchNetwork, Tensor],
) -> None:
    net, observations = copy.deepcopy(snntorch_freeway[0]), snntorch_freeway[1]
    target = agents.agent(FREEWAY)(observations).detach() / agents.plan(FREEWAY).readout_scale + 0.5
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    losses = []
    for _ in range(8):
        loss = nn.functional.mse_loss(RobustRate(net.output.threshold)(*net(observations, 16)), target)
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


def test_output_monitor_sees_every_layer(snntorch_freeway: tuple[SNNTorchNetwork, Tensor]) -> None:
    net, observations = snntorch_freeway
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


def test_the_sequential_shares_weights_and_not_membranes(
    snntorch_freeway: tuple[SNNTorchNetwork, Tensor],
) -> None:
    net = copy.deepcopy(snntorch_freeway[0])
    first, second = net.to_sequential(), net.to_sequential()
    assert {id(p) for p in first.parameters()} == {id(p) for p in net.parameters()}
    first(snntorch_freeway[1])
    assert second[1].mem.shape == (0,)


@pytest.mark.parametrize("name", agents.NAMES)
def test_the_robust_rate_of_the_records_is_the_q_value(name: str) -> None:
    plan, observations = agents.plan(name), agents.observations(name)[:32]
    net = to_snntorch(plan)
    with torch.no_grad():
        spk_rec, mem_rec = net(observations, 100)
    q = RobustRate(net.output.threshold, scale=plan.readout_scale)(spk_rec, mem_rec)
    expected = agents.oracle(name, 32).q[99].float()
    torch.testing.assert_close(q, expected, rtol=1e-5, atol=1e-6 * plan.readout_scale)


def test_records_are_time_first(snntorch_freeway: tuple[SNNTorchNetwork, Tensor]) -> None:
    net, observations = snntorch_freeway
    spk_rec, mem_rec = net(observations, 7)
    assert spk_rec.shape == mem_rec.shape == (7, 4, agents.plan(FREEWAY).num_actions)


@pytest.mark.parametrize("num_steps", [0, -1])
def test_no_steps_are_refused(num_steps: int, snntorch_freeway: tuple[SNNTorchNetwork, Tensor]) -> None:
    with pytest.raises(ArgumentError, match=rf"positive.*Found num_steps={num_steps}"):
        snntorch_freeway[0](snntorch_freeway[1], num_steps)
