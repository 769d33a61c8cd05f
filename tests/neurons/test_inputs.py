"""What stands before neurons: changes of a level, and currents for single steps, alike in both libraries."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import norse.torch as norse
import pytest
import torch
from hypothesis import given
from snntorch import utils
from torch import Tensor, nn

from dqn2snn.neurons.norse import DifferenceCell, StepBiasCell
from dqn2snn.neurons.snntorch import Difference, StepBias, reset_rows
from dqn2snn.neurons.step_currents import StepCurrents
from tests.neurons.textbook import dyadic

TABLE = torch.tensor([[0.25, 0.5], [1.0, -1.0], [0.0, 0.125]])


def hidden(module: nn.Module, inputs: Tensor) -> Tensor:
    return torch.stack([module(x) for x in inputs])


def explicit(module: nn.Module, inputs: Tensor) -> Tensor:
    outputs, state = [], module.initial(inputs[0])  # type: ignore[operator]
    for x in inputs:
        out, *state = module(x, *state)
        outputs.append(out)
    return torch.stack(outputs)


@given(levels=dyadic((6, 2, 3, 2, 2), low=-2.0, high=2.0))
def test_changes_add_up_to_the_level(levels: Tensor) -> None:
    for changes in (
        hidden(Difference(init_hidden=True), levels),
        explicit(Difference(), levels),
        norse.Lift(DifferenceCell())(levels)[0],
    ):
        assert torch.equal(changes.cumsum(0), levels)


def test_a_level_that_stays_is_presented_once() -> None:
    level = torch.rand(3, 2)
    for changes in (
        hidden(Difference(init_hidden=True), level.expand(4, 3, 2)),
        norse.Lift(DifferenceCell())(level.expand(4, 3, 2))[0],
    ):
        assert torch.equal(changes[0], level)
        assert not changes[1:].any()


@pytest.mark.parametrize("shape", [(2,), (2, 3, 3)])
def test_every_step_has_a_current_of_its_own_and_those_after_the_last_have_none(
    shape: tuple[int, ...],
) -> None:
    table = TABLE.reshape(3, 2, *(1 for _ in shape[1:]))
    x = torch.rand(5, 4, *shape)
    expected = x.clone()
    expected[:3] += table[:, None]
    currents = StepCurrents(table)
    for outputs in (
        hidden(StepBias(currents, init_hidden=True), x),
        explicit(StepBias(currents), x),
        norse.Lift(StepBiasCell(currents))(x)[0],
    ):
        assert torch.equal(outputs, expected)


def test_utils_reset_and_a_new_batch_begin_with_the_first_step() -> None:
    net = nn.Sequential(Difference(init_hidden=True), StepBias(StepCurrents(TABLE), init_hidden=True))
    x = torch.ones(2, 2)
    first = [net(x) for _ in range(2)]
    utils.reset(net)
    assert torch.equal(net(x), first[0])
    assert torch.equal(net(x), first[1])
    assert torch.equal(net(torch.ones(3, 2))[:2], first[0])


def test_single_rows_begin_anew() -> None:
    net = nn.Sequential(Difference(init_hidden=True), StepBias(StepCurrents(TABLE), init_hidden=True))
    x = torch.ones(2, 2)
    first, second = net(x), net(x)
    third = copy.deepcopy(net)(x)
    reset_rows(net, torch.tensor([True, False]))
    assert torch.equal(net(x), torch.stack([first[0], third[1]]))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_go_on_by_themselves(duplicate: Callable[[nn.Module], nn.Module]) -> None:
    net = nn.Sequential(Difference(init_hidden=True), StepBias(StepCurrents(TABLE), init_hidden=True))
    x = torch.rand(2, 2, requires_grad=True)
    net(x)
    twin = duplicate(net)
    second = net(x)
    assert torch.equal(twin(x), second)
    utils.reset(twin)  # snnTorch 1.0 resets every module in the process
    assert torch.equal(twin(x), net(x))


def test_a_network_of_half_precision_can_still_count_its_steps() -> None:
    net = StepBias(StepCurrents(torch.arange(2050.0)[:, None]), init_hidden=True).half()
    net.mem = torch.full((1,), 2049)
    assert net(torch.zeros(1, 1, dtype=torch.float16)) == 2048  # the nearest to 2049 that there is
    assert net.mem == 2050
    assert net.state_dict().keys() == {"currents.step_bias"}


def test_gradients_reach_the_currents_of_every_step() -> None:
    currents = StepCurrents(TABLE)
    norse.Lift(StepBiasCell(currents))(torch.zeros(3, 4, 2))[0].sum().backward()
    assert currents.step_bias.grad is not None
    assert torch.equal(currents.step_bias.grad, torch.full((3, 2), 4.0))
