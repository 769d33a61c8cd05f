"""Norse cells: exactly the textbook neuron, and good citizens wherever Norse and torch take modules."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import norse.torch as norse
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import dqn2snn
from dqn2snn.dynamics.readout import RobustRate, robust_rate
from dqn2snn.neurons._norse_if import IFParameters, IFState, if_feed_forward_step
from dqn2snn.neurons.norse import IFCell, to_norse
from dqn2snn.plan import Reset
from tests import agents
from tests.neurons.textbook import dyadic, textbook_neuron

DTYPES = [torch.float64, torch.float16, torch.bfloat16]
FREEWAY = "minatar-freeway"


def run(cell: nn.Module, currents: Tensor, state: Any = None) -> tuple[Tensor, Tensor]:
    """Spikes and membranes [T, B, ...] of a cell or network, called step by step."""
    records = []
    for current in currents:
        z, state = cell(current, state)
        records.append((z, state[-1].v if isinstance(state, list) else state.v))
    spikes, membranes = zip(*records, strict=True)
    return torch.stack(spikes), torch.stack(membranes)


def repeated(observations: Tensor, num_steps: int) -> Tensor:
    """The same observations at every step, time first."""
    return observations.expand(num_steps, *observations.shape)


def unpickled(module: nn.Module) -> nn.Module:
    return pickle.loads(pickle.dumps(module))  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def freeway() -> tuple[Any, Tensor]:
    """A MinAtar network and four observations."""
    return to_norse(agents.plan(FREEWAY)), agents.observations(FREEWAY)[:4]


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
    z, v = run(IFCell(threshold, v_init, reset=reset), currents)
    spikes, membranes = textbook_neuron(currents, threshold, v_init, reset)
    assert torch.equal(z, spikes)
    assert torch.equal(v, membranes)


@given(currents=dyadic((16, 2, 3), low=-1.5, high=3.0), v_0=dyadic((3,), low=-0.5, high=0.5))
def test_with_hard_reset_it_fires_as_norses_own_cell_where_nothing_ties(
    currents: Tensor, v_0: Tensor
) -> None:
    theta = torch.tensor(1 + 1 / 4096)  # the currents are multiples of 1/64
    stock = norse.IAFCell(norse.IAFParameters(v_th=theta, v_reset=v_0.clone()))
    start = norse.IAFFeedForwardState(v=v_0.expand(2, 3).clone())
    with torch.no_grad():
        expected = run(stock, currents, start)
        for ours, theirs in zip(run(IFCell(theta, v_0, reset="zero"), currents), expected, strict=True):
            assert torch.equal(ours, theirs)


def test_a_membrane_above_two_thresholds_keeps_all_its_spikes() -> None:
    z, v = run(IFCell(), torch.tensor([3.7, 0.0, 0.0, 0.0, 0.0]).reshape(5, 1, 1))
    assert z.flatten().tolist() == [1, 1, 1, 0, 0]
    assert v[-1].item() == pytest.approx(0.7)


def test_a_membrane_that_equals_the_threshold_fires() -> None:
    assert run(IFCell(), torch.full((4, 1, 1), 0.5))[0].flatten().tolist() == [0, 1, 0, 1]


@given(currents=dyadic((9, 2, 3), low=-1.5, high=3.0), reset=st.sampled_from(["subtract", "zero"]))
def test_the_neuron_over_time_is_its_cell_step_by_step(currents: Tensor, reset: Reset) -> None:
    threshold, v_0 = torch.tensor([0.5, 1.0, 2.0]), torch.tensor([0.25, 0.0, -0.5])
    over_time = norse.Lift(IFCell(threshold, v_0, reset=reset))
    spikes, state = over_time(currents)
    z, v = run(IFCell(threshold, v_0, reset=reset), currents)
    assert torch.equal(spikes, z)
    assert torch.equal(state.v, v[-1])
    first, middle = over_time(currents[:4])
    rest, last = over_time((currents[4:], middle))
    assert torch.equal(torch.cat([first, rest]), spikes)
    assert torch.equal(last.v, state.v)


def test_the_step_is_a_pure_function_with_parameters_of_its_own() -> None:
    p = IFParameters(v_th=torch.tensor(2.0), v_0=torch.tensor(0.5))
    before = IFState(torch.tensor([1.0]))
    z, after = if_feed_forward_step(torch.tensor([1.5]), before, p, dt=0.001)
    assert (z.item(), after.v.item(), before.v.item()) == (1.0, 0.5, 1.0)


# State


def test_the_state_is_a_named_tuple_of_the_membrane() -> None:
    _, state = IFCell()(torch.zeros(2, 3))
    assert isinstance(state, IFState)
    assert state._asdict().keys() == {"v"}


def test_v_0_holds_at_any_batch_size() -> None:
    cell = IFCell(v_0=0.5)
    for batch in (2, 5, 1):
        assert torch.equal(cell(torch.full((batch, 3), 0.5))[0], torch.ones(batch, 3))


def test_a_state_list_may_be_passed_in(freeway: tuple[Any, Tensor]) -> None:
    net, observations = freeway
    plan = agents.plan(FREEWAY)
    shapes = iter(layer.shape for layer in plan.all_layers)
    state = [
        IFState(torch.zeros(4, *next(shapes)) + module.v_0) if isinstance(module, IFCell) else None
        for module in net
    ]
    with torch.no_grad():
        assert torch.equal(
            run(net, repeated(observations, 9), state)[1], run(net, repeated(observations, 9))[1]
        )


def test_a_run_continues_from_its_state(freeway: tuple[Any, Tensor]) -> None:
    net, observations = freeway
    with torch.no_grad():
        whole, _ = norse.Lift(net)(repeated(observations, 12))
        first, state = norse.Lift(net)(repeated(observations, 5))
        rest, _ = norse.Lift(net)((repeated(observations, 7), state))
    assert torch.equal(torch.cat([first, rest]), whole)


def test_two_runs_do_not_share_a_state(freeway: tuple[Any, Tensor]) -> None:
    net, observations = freeway
    with torch.no_grad():
        assert torch.equal(run(net, repeated(observations, 9))[1], run(net, repeated(observations, 9))[1])


@pytest.mark.parametrize("name", agents.NAMES)
def test_lifting_the_network_is_stepping_it(name: str) -> None:
    net, observations = to_norse(agents.plan(name)), repeated(agents.observations(name)[:3], 40)
    assert isinstance(net, norse.SequentialState)
    with torch.no_grad():
        lifted, state = norse.Lift(net)(observations)
        spikes, membranes = run(net, observations)
    assert torch.equal(lifted, spikes)
    assert torch.equal(state[-1].v, membranes[-1])


def test_it_nests_in_other_norse_networks(freeway: tuple[Any, Tensor]) -> None:
    net, observations = freeway
    outer = norse.SequentialState(nn.Identity(), net, norse.LIBoxCell())
    with torch.no_grad():
        _, state = outer(observations)
        _, state = outer(observations, state)
        assert torch.equal(state[1][-1].v, run(net, repeated(observations, 2))[1][-1])


def test_state_hooks_see_every_cell(freeway: tuple[Any, Tensor]) -> None:
    net, observations = freeway
    seen: list[tuple[int, ...]] = []
    net.register_forward_state_hooks(lambda module, _, output: seen.append(tuple(output[1].v.shape)))
    try:
        net(observations)
    finally:
        net.remove_forward_state_hooks()
    assert seen == [(4, *layer.shape) for layer in agents.plan(FREEWAY).all_layers]


# Numbers, copies, files, devices


@pytest.mark.parametrize("threshold", [2, torch.tensor(2), torch.tensor([2, 2, 2])])
def test_whole_number_thresholds_become_floating(threshold: int | Tensor) -> None:
    cell = IFCell(threshold, v_0=0.5)
    assert cell.v_th.dtype == cell.v_0.dtype == torch.float32
    assert cell.v_0 == 0.5
    assert cell.half().v_th.dtype == torch.float16


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_networks_of_other_dtypes_run_and_keep_theirs(
    dtype: torch.dtype, freeway: tuple[Any, Tensor]
) -> None:
    net, observations = copy.deepcopy(freeway[0]).to(dtype), freeway[1]
    assert {tensor.dtype for tensor in net.state_dict().values()} == {dtype}
    spikes, membranes = run(net, repeated(observations, 8))
    assert spikes.dtype == membranes.dtype == dtype
    assert set(spikes.unique().tolist()) <= {0.0, 1.0}


def test_parameters_are_not_shared_between_cells() -> None:
    """Norse's own cells share the tensors of their default parameters, in the whole process."""
    first, second = IFCell(), IFCell()
    first.v_th += 1
    assert second.v_th == 1
    assert IFCell().v_th == IFParameters().v_th == 1


def test_thresholds_are_in_the_state_dict(freeway: tuple[Any, Tensor]) -> None:
    """Norse's own parameters are a NamedTuple, which neither state_dict nor `.to()` sees."""
    net, observations = freeway
    other = dqn2snn.convert(
        agents.agent(FREEWAY), agents.observations(FREEWAY)[:50], recipe="tan2021", num_steps=100
    )
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    assert sum(name.endswith(("v_th", "v_0")) for name in state) == 2 * len(agents.plan(FREEWAY).all_layers)
    twin, steps = to_norse(other.plan), repeated(observations, 50)
    assert not torch.equal(run(twin, steps)[1], run(net, steps)[1])
    twin.load_state_dict(state)
    assert torch.equal(run(twin, steps)[1], run(net, steps)[1])


@pytest.mark.parametrize("duplicate", [copy.deepcopy, unpickled])
def test_a_copy_is_equal_and_its_own(
    duplicate: Callable[[nn.Module], nn.Module], freeway: tuple[Any, Tensor]
) -> None:
    net, steps = freeway[0], repeated(freeway[1], 20)
    net(freeway[1])  # with gradients
    twin = duplicate(net)
    before = run(net, steps)
    assert torch.equal(run(twin, steps)[1], before[1])
    with torch.no_grad():
        for tensor in twin.state_dict().values():
            tensor.zero_()
    assert torch.equal(run(net, steps)[1], before[1])


def test_buffers_move_between_devices(freeway: tuple[Any, Tensor]) -> None:
    net = copy.deepcopy(freeway[0]).to("meta")
    assert {tensor.device.type for tensor in (*net.parameters(), *net.buffers())} == {"meta"}
    z, state = net(torch.empty(2, *agents.plan(FREEWAY).input_shape, device="meta"))
    assert z.device.type == state[-1].v.device.type == "meta"


# Gradients


def test_outputs_need_gradients_only_if_inputs_do() -> None:
    """Norse's own cells turn gradients on for their states and for the shared default parameters."""
    currents = torch.rand(5, 2, 3)
    for z, state in (IFCell()(currents[0]), norse.Lift(IFCell())(currents)):
        assert not z.requires_grad
        assert not state.v.requires_grad
    assert IFCell()(currents[0].requires_grad_())[0].requires_grad
    assert not IFParameters().v_th.requires_grad


def test_inference_mode_leaves_a_network_that_can_be_trained(freeway: tuple[Any, Tensor]) -> None:
    net, observations = copy.deepcopy(freeway[0]), freeway[1]
    with torch.inference_mode():
        run(net, repeated(observations, 3))
    run(net, repeated(observations, 3))[1].sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_backpropagation_through_time_reaches_every_parameter(freeway: tuple[Any, Tensor]) -> None:
    net, observations = copy.deepcopy(freeway[0]), freeway[1]
    spikes, state = norse.Lift(net)(repeated(observations, 12))
    (robust_rate(spikes.sum(0), state[-1].v, len(spikes)) ** 2).mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_both_backends_have_the_same_gradients(freeway: tuple[Any, Tensor]) -> None:
    snn = dqn2snn.SpikingQNetwork(agents.plan(FREEWAY)).double()
    net, observations = copy.deepcopy(freeway[0]).double(), freeway[1]
    spikes, membranes = snn.network(observations, 12)
    RobustRate()(spikes, membranes).square().sum().backward()
    RobustRate()(*run(net, repeated(observations, 12))).square().sum().backward()
    for ours, theirs in zip(net.parameters(), snn.network.parameters(), strict=True):
        assert ours.grad is not None
        torch.testing.assert_close(ours.grad, theirs.grad)


# Readouts


@pytest.mark.parametrize("name", agents.NAMES)
def test_the_robust_rate_of_the_records_is_the_q_value(name: str) -> None:
    plan, observations = agents.plan(name), agents.observations(name)[:32]
    net = to_norse(plan)
    with torch.no_grad():
        spikes, membranes = run(net, repeated(observations, 100))
    expected = agents.oracle(name, 32).q[99].float()
    scale, threshold = plan.readout_scale, net[-1].v_th
    q = RobustRate(threshold, scale=scale)(spikes, membranes)
    torch.testing.assert_close(q, expected, rtol=1e-5, atol=1e-6 * scale)
    from_totals = robust_rate(spikes.sum(0), membranes[-1], 100, threshold=threshold, scale=scale)
    torch.testing.assert_close(from_totals, expected, rtol=1e-5, atol=1e-6 * scale)
