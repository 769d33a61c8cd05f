"""Synapses: stock torch modules that compute what the plan says, to the last bit on the grid."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from dqn2snn.dynamics.encode import constant_current
from dqn2snn.network import SpikingQNetwork
from dqn2snn.neurons.synapses import BiasMap, CurrentEncoder, synapse_modules
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import AffineLayer
from dqn2snn.plan.ops import Conv, Dense, Pad, Reshape, SumPool
from tests import agents
from tests.geometries import plans

STOCK = (nn.Conv2d, nn.Linear, nn.AvgPool2d, nn.ZeroPad2d, nn.Flatten, nn.Unflatten)


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1)).double()


@given(case=plans(), dtype=st.sampled_from([torch.float32, torch.float64]))
def test_they_compute_the_affine_layers_of_the_plan(
    case: tuple[SpikingPlan, Tensor], dtype: torch.dtype
) -> None:
    plan, observations = case
    for layer in plan.all_layers[1:]:
        modules = synapse_modules(layer.affine)
        assert all(isinstance(module, (*STOCK, BiasMap)) for module in modules)
        generator = torch.Generator().manual_seed(len(observations))
        spikes = torch.randint(0, 2, (3, *layer.affine.in_shape), generator=generator)
        computed = nn.Sequential(*modules).to(dtype)(spikes.to(dtype))
        assert computed.dtype == dtype
        assert torch.equal(computed.double(), layer.affine(spikes.double()))


AFFINES = {
    "linear": AffineLayer("fc", (Dense(random(3, 5)),), random(3), (5,), (3,)),
    "convolution": AffineLayer(
        "conv", (Conv(random(4, 1, 3, 2), (2, 1), (1, 0), (1, 2), 2),), random(4), (2, 7, 6), (4, 4, 4)
    ),
    "flatten": AffineLayer("fc", (Reshape((12,)), Dense(random(2, 12))), random(2), (3, 2, 2), (2,)),
    "unflatten": AffineLayer(
        "conv", (Reshape((3, 2, 2)), Conv(random(2, 3, 1, 1))), random(2), (12,), (2, 2, 2)
    ),
    "pad": AffineLayer(
        "conv", (Pad((1, 2, 0, 1)), Conv(random(2, 1, 2, 2))), random(2), (1, 3, 3), (2, 3, 5)
    ),
    "pool before": AffineLayer(
        "fc",
        (SumPool((2, 2), (2, 1), (1, 0)), Reshape((12,)), Dense(random(2, 12))),
        random(2),
        (1, 5, 5),
        (2,),
    ),
    "pool after": AffineLayer(
        "conv", (Conv(random(2, 1, 2, 2)), SumPool((2, 2), (2, 2))), random(2), (1, 5, 5), (2, 2, 2)
    ),
    "bias map": AffineLayer("conv", (Conv(random(2, 1, 2, 2)),), random(2, 2, 2), (1, 3, 3), (2, 2, 2)),
}


@pytest.mark.parametrize("kind", AFFINES)
def test_every_kind_of_layer_is_emitted(kind: str) -> None:
    affine = AFFINES[kind].cast(torch.float32).cast(torch.float64)
    modules = nn.Sequential(*synapse_modules(affine)).double()
    x = random(2, *affine.in_shape)
    assert modules(x).shape == (2, *affine.out_shape)
    torch.testing.assert_close(modules(x), affine(x), rtol=1e-13, atol=1e-13)


def test_a_bias_per_channel_belongs_to_the_weighted_module() -> None:
    (module,) = synapse_modules(AFFINES["convolution"])
    assert isinstance(module, nn.Conv2d)
    assert module.bias is not None


def test_modules_do_not_share_memory_with_the_plan() -> None:
    plan = agents.plan("cartpole")
    before = plan.output.affine.weight.clone(), plan.layers[0].threshold.clone()
    encoder, synapses = CurrentEncoder(plan), nn.Sequential(*synapse_modules(plan.output.affine))
    with torch.no_grad():
        for tensor in (*encoder.state_dict().values(), *synapses.state_dict().values()):
            tensor.zero_()
    assert torch.equal(plan.output.affine.weight, before[0])
    assert torch.equal(plan.layers[0].threshold, before[1])


# The encoder


@given(case=plans(), dtype=st.sampled_from([torch.float32, torch.float64]))
def test_the_encoder_gives_the_constant_current(case: tuple[SpikingPlan, Tensor], dtype: torch.dtype) -> None:
    plan, observations = case
    current = CurrentEncoder(plan).to(dtype)(observations)
    assert current.dtype == dtype
    assert torch.equal(current.double(), constant_current(plan, observations))


@given(case=plans(grid=None))
def test_off_the_grid_it_gives_it_up_to_rounding(case: tuple[SpikingPlan, Tensor]) -> None:
    plan, observations = case
    expected = constant_current(plan, observations)
    torch.testing.assert_close(
        CurrentEncoder(plan)(observations).double(),
        expected,
        rtol=1e-4,
        atol=1e-5 * float(expected.abs().max()),
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.uint8, torch.int64])
@pytest.mark.parametrize("name", ["minatar-freeway", "cartpole"])
def test_observations_may_have_any_dtype(name: str, dtype: torch.dtype) -> None:
    plan = agents.plan(name)
    observations = agents.observations(name)[:8].abs().to(dtype)
    encoder = CurrentEncoder(plan)
    assert torch.equal(encoder(observations), encoder(observations.float()))


def test_a_neuron_with_a_negative_current_or_a_large_one_gets_a_clamped_one() -> None:
    plan, observations = agents.plan("lunarlander"), agents.observations("lunarlander")
    current = CurrentEncoder(plan)(observations)
    unclamped = plan.layers[0].affine(observations.double())
    assert (unclamped < 0).any()
    assert (unclamped > 1).any()
    assert current.min() == 0
    assert current.max() == 1


def test_gradients_pass_the_rounding_and_stop_at_the_clamp() -> None:
    plan = agents.plan("lunarlander")
    encoder = CurrentEncoder(plan)
    observations = agents.observations("lunarlander")[:16].clone().requires_grad_()
    current = encoder(observations)
    current.sum().backward()
    free = ((current > 0) & (current < 1)).double()
    weight = plan.layers[0].affine.weight
    assert observations.grad is not None
    torch.testing.assert_close(observations.grad.double(), free @ weight, rtol=1e-5, atol=1e-5)
    (linear,) = encoder.synapses
    expected = free.T @ observations.detach().double()
    assert isinstance(linear.weight, Tensor)
    assert linear.weight.grad is not None
    torch.testing.assert_close(linear.weight.grad.double(), expected, rtol=1e-4, atol=1e-3)


def test_the_encoder_survives_copies_and_says_its_grid() -> None:
    plan, observations = agents.plan("cartpole"), agents.observations("cartpole")[:4]
    encoder = CurrentEncoder(plan)
    for twin in (copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
        assert torch.equal(twin(observations), encoder(observations))
    assert f"input_bits={plan.input_bits}" in repr(encoder)


# Where they are made


@pytest.mark.parametrize("backend", ["snntorch", "norse"])
def test_networks_are_made_the_same_under_any_default(backend: str) -> None:
    plan, observations = agents.plan("minatar-freeway"), agents.observations("minatar-freeway")[:4]
    expected = SpikingQNetwork(plan, backend).record(observations, 8, engine="modules").q
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"), torch.inference_mode():
            snn = SpikingQNetwork(plan, backend)
    finally:
        torch.set_default_dtype(torch.float32)
    tensors = (*snn.parameters(), *snn.buffers())
    assert not any(tensor.is_inference() for tensor in tensors)
    assert {(tensor.dtype, tensor.device.type) for tensor in tensors if tensor.is_floating_point()} == {
        (torch.float32, "cpu")
    }
    assert torch.equal(snn.record(observations, 8, engine="modules").q, expected)


@pytest.mark.parametrize("backend", ["snntorch", "norse"])
def test_making_and_running_a_network_draws_no_random_numbers(backend: str) -> None:
    before = torch.get_rng_state()
    SpikingQNetwork(agents.plan("minatar-freeway"), backend).record(
        agents.observations("minatar-freeway")[:2], 2, engine="modules"
    )
    assert torch.equal(torch.get_rng_state(), before)
