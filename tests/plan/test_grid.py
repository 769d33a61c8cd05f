"""The grid: what is on it, that its bound holds, and that float32 sums are exact in any order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import dqn2snn
from dqn2snn.dynamics.encode import constant_current
from dqn2snn.engine import simulate_reference
from dqn2snn.engine.layerwise import simulate_layerwise
from dqn2snn.errors import ArgumentError, PlanError
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.plan.graph import AffineLayer
from dqn2snn.plan.grid import MAX_FRACTION_BITS, on_grid, rounded
from dqn2snn.plan.membranes import largest_membrane
from dqn2snn.plan.ops import Dense
from dqn2snn.recipes import diehl2015, tan2021
from dqn2snn.tracing import trace
from dqn2snn.tracing.calibration import calibrate
from tests.agents import NAMES, agent, observations, plan
from tests.geometries import plans


def assert_on_grid(made: SpikingPlan) -> None:
    """Every number is a multiple of its power of two, and every weight an int16."""
    assert made.on_grid
    for layer in made.all_layers:
        assert layer.fraction_bits is not None
        assert layer.weight_bits is not None
        for value in (layer.affine.bias, layer.threshold, layer.v_init):
            assert_whole(value * 2.0**layer.fraction_bits, 2**31)
            assert torch.equal(value.float().double(), value)
        assert_whole(layer.affine.weight * 2.0**layer.weight_bits, 2**15 - 1)
        assert 1 <= layer.fraction_bits <= MAX_FRACTION_BITS
        assert bool((layer.threshold > 0).all())
    assert all(layer.weight_bits == layer.fraction_bits for layer in made.all_layers[1:])


def assert_whole(values: Tensor, largest: float) -> None:
    assert torch.equal(values, values.round())
    assert float(values.abs().max()) <= largest


@pytest.mark.parametrize("name", NAMES)
def test_plans_of_agents_are_on_the_grid(name: str) -> None:
    assert_on_grid(plan(name))


@given(plans())
@settings(max_examples=20)
def test_random_plans_are_on_the_grid(made: tuple[SpikingPlan, Tensor]) -> None:
    assert_on_grid(made[0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("num_steps", [1, 16, 500, 1500])
def test_rounding_moves_a_number_by_half_a_step_at_most(name: str, num_steps: int) -> None:
    seen = observations(name)
    graph = trace(agent(name), tuple(seen.shape[1:]))
    stats = calibrate(graph, seen)
    raw, made = (tan2021(graph, stats, num_steps=num_steps, grid=grid) for grid in (None, "auto"))
    for exact, layer in zip(raw.all_layers, made.all_layers, strict=True):
        assert layer.fraction_bits is not None
        assert layer.weight_bits is not None
        assert (layer.affine.weight - exact.affine.weight).abs().max() <= 2.0 ** -(layer.weight_bits + 1)
        assert (layer.affine.bias - exact.affine.bias).abs().max() <= 2.0 ** -(layer.fraction_bits + 1)
        assert (layer.threshold, layer.v_init) == (1, 0)


def test_ties_round_to_even() -> None:
    assert rounded(torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5]), 0).tolist() == [0, 2, 2, 0, -2]
    assert rounded(torch.tensor([6.0, 10.0]), -2).tolist() == [8, 8]


@given(plans(grid=None), st.integers(1, 3000))
@settings(max_examples=30)
def test_auto_takes_the_finest_grid_that_is_exact(made: tuple[SpikingPlan, Tensor], num_steps: int) -> None:
    raw = replace(made[0], num_steps=num_steps)
    magnitude = float(made[1].abs().max())
    try:
        auto = on_grid(raw, "auto", magnitude)
    except PlanError:
        with pytest.raises(PlanError):
            on_grid(raw, 8, magnitude)
        return
    finest = min(layer.fraction_bits or 0 for layer in auto.all_layers[1:])
    largest = [float(layer.affine.weight.abs().max()) for layer in raw.all_layers[1:]]
    first = raw.layers[0]
    if bool((rounded(first.v_init, finest) >= rounded(first.threshold, finest)).any()):
        return  # on so coarse a grid the first layer would begin at its threshold
    if any(0 < weight * 2**finest < 16 for weight in largest):
        return  # what is fine enough for one layer leaves another one too few levels
    assert_on_grid(on_grid(raw, finest, magnitude))
    if finest < MAX_FRACTION_BITS:
        with pytest.raises(PlanError, match=rf"on a grid of 2\^-{finest + 1}"):
            on_grid(raw, finest + 1, magnitude)


# The bound


@st.composite
def driven_layers(draw: st.DrawFn) -> tuple[SpikingLayer, Tensor, int]:
    """A layer of some plan behind the first, and a train of spikes that means it no good."""
    made, _ = draw(plans())
    layer = made.all_layers[draw(st.integers(1, len(made.all_layers) - 1))]
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**16)))
    spikes = (torch.rand(made.num_steps, *layer.affine.in_shape, generator=generator) < 0.5).double()
    target = draw(st.integers(0, layer.affine.neurons - 1))
    pull = pull_of_inputs(layer.affine, target)
    match draw(st.sampled_from(["random", "up", "down", "up, then down", "down, then up"])):
        case "up":
            spikes[:] = pull > 0
        case "down":
            spikes[:] = pull < 0
        case "up, then down":
            spikes[: len(spikes) // 2] = (pull > 0).double()
            spikes[len(spikes) // 2 :] = (pull < 0).double()
        case "down, then up":
            spikes[: len(spikes) // 2] = (pull < 0).double()
            spikes[len(spikes) // 2 :] = (pull > 0).double()
    return layer, spikes, target


def pull_of_inputs(affine: AffineLayer, neuron: int) -> Tensor:
    """The weights with which the inputs reach one neuron."""
    x = torch.zeros(1, *affine.in_shape, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(affine(x).flatten()[neuron], x)
    return gradient[0]


@given(driven_layers())
@settings(max_examples=30)
def test_no_train_of_spikes_leads_a_membrane_beyond_the_bound(case: tuple[SpikingLayer, Tensor, int]) -> None:
    layer, spikes, _ = case
    neurons = layer.cast(torch.float64)
    v = neurons.v_init.expand(1, *layer.shape)
    bound = largest_membrane(layer, layer, len(spikes))
    assert layer.fraction_bits is not None
    assert bound <= 2.0 ** (24 - layer.fraction_bits)
    for arriving in spikes:
        v = v + layer.affine(arriving[None])
        assert float(v.abs().max()) <= bound
        fired = v >= neurons.threshold
        v = torch.where(fired, neurons.v_init if layer.reset == "zero" else v - neurons.threshold, v)
        assert float(v.abs().max()) <= bound


@given(driven_layers(), st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_float32_sums_are_exact_in_any_order(case: tuple[SpikingLayer, Tensor, int], order: Any) -> None:
    """All that arrives at one neuron in all steps, added up one by one, shuffled: no partial sum rounds."""
    layer, spikes, neuron = case
    pull = pull_of_inputs(layer.affine, neuron).flatten()
    bias = layer.affine(torch.zeros(1, *layer.affine.in_shape, dtype=torch.float64)).flatten()[neuron]
    terms = torch.cat([(spikes.flatten(1) * pull).flatten(), bias.expand(len(spikes))]).numpy()
    terms = terms[terms != 0]
    order.shuffle(terms)
    exact = np.cumsum(terms, dtype=np.float64)
    in_float32 = np.cumsum(terms.astype(np.float32), dtype=np.float32)
    assert (in_float32 == exact).all()


@pytest.mark.parametrize("name", NAMES)
def test_permuting_the_inputs_changes_no_spike(name: str) -> None:
    """Another order of summation in every layer, as another BLAS or device would have."""
    made = plan(name)
    generator = torch.Generator().manual_seed(0)
    seen = observations(name)[:4]
    record = simulate_layerwise(made, seen, 100, spikes=True)
    assert record.spikes is not None
    fired = [train.double() for train in record.spikes]
    for before, layer in zip(fired, made.all_layers[1:], strict=False):
        if not isinstance(layer.affine.ops[-1], Dense):
            continue
        weight, bias = layer.affine.weight, layer.affine.bias
        order = torch.randperm(weight.shape[1], generator=generator)
        x = before.flatten(2)
        permuted = x[..., order].float() @ weight[:, order].float().T + bias.float()
        assert torch.equal(permuted.double(), x @ weight.T + bias)


# The first current


@given(plans())
@settings(max_examples=30)
def test_the_clamp_of_the_first_current_changes_no_spike(made: tuple[SpikingPlan, Tensor]) -> None:
    """Compare with the same rounded numbers, unclamped, in exact arithmetic of float64."""
    given_plan, seen = made
    layer = given_plan.layers[0].cast(torch.float64)
    assert given_plan.input_bits is not None
    assert layer.fraction_bits is not None
    unclamped = rounded(layer.affine(rounded(seen.double(), given_plan.input_bits)), layer.fraction_bits)
    clamped = constant_current(given_plan, seen)
    v, w = (layer.v_init.expand_as(clamped).clone() for _ in range(2))
    for _ in range(given_plan.num_steps):
        v, w = v + unclamped, w + clamped
        assert torch.equal(v >= layer.threshold, w >= layer.threshold)
        v, w = (
            torch.where(
                x >= layer.threshold, layer.v_init if layer.reset == "zero" else x - layer.threshold, x
            )
            for x in (v, w)
        )


@pytest.mark.parametrize("name", NAMES)
def test_the_clamp_is_not_idle_on_real_agents(name: str) -> None:
    """Some currents are negative and some exceed the threshold; all are on the grid after it."""
    made, seen = plan(name), observations(name)
    current = constant_current(made, seen)
    bits = made.layers[0].fraction_bits
    assert bits is not None
    assert_whole(current * 2.0**bits, 2.0**bits)
    raw = made.layers[0].affine(seen.double())
    assert bool((raw < 0).any())
    assert bool((raw > 1).any())


@given(plans(), st.integers(0, 2**16))
@settings(max_examples=30)
def test_the_first_current_is_exact_in_any_order(made: tuple[SpikingPlan, Tensor], seed: int) -> None:
    """Reversed and shuffled inputs of one neuron add up to the same float64 number, bias first or last."""
    given_plan, seen = made
    first = given_plan.layers[0].affine
    neuron = seed % first.neurons
    pull = pull_of_inputs(first, neuron).flatten().numpy()
    bias = first(torch.zeros(1, *first.in_shape, dtype=torch.float64)).flatten()[neuron]
    assert given_plan.input_bits is not None
    x = rounded(seen.double(), given_plan.input_bits).flatten(1).numpy()
    generator = np.random.default_rng(seed)
    for sample in x:
        terms = np.append(sample * pull, float(bias))
        sums = {float(np.cumsum(generator.permutation(terms))[-1]) for _ in range(5)}
        assert len(sums) == 1


def network_of_scales(weight: float, bias: float, inputs: int = 16) -> nn.Sequential:
    network = nn.Sequential(nn.Linear(inputs, 8), nn.ReLU(), nn.Linear(8, 2))
    with torch.no_grad():
        network[0].weight.uniform_(-weight, weight)
        network[0].bias.uniform_(0, bias)
        network[2].bias.zero_()
    return network.requires_grad_(False)


@pytest.mark.parametrize(("weight", "bias"), [(1.0, 0.0), (1.0, 1.0), (1e-6, 1.0), (1e6, 1.0), (1.0, 1e-9)])
@pytest.mark.parametrize("magnitude", [1e-6, 1.0, 255.0, 1e6])
def test_inputs_and_weights_of_any_size_have_an_exact_first_current(
    weight: float, bias: float, magnitude: float
) -> None:
    network, seen = network_of_scales(weight, bias), magnitude * torch.rand(200, 16)
    made = dqn2snn.convert(network, seen, recipe="tan2021", num_steps=32).plan
    assert_on_grid(made)
    first, bits = made.layers[0], made.input_bits
    assert bits is not None
    assert first.weight_bits is not None
    x = rounded(seen.double(), bits)
    reach = float((x.abs() @ first.affine.weight.abs().T + first.affine.bias.abs()).max())
    assert reach * 2.0 ** (bits + first.weight_bits) <= 2.0**53
    current = constant_current(made, seen)
    exact = network[0](seen).double() / made.report["scales"]["0"]
    assert float((current - exact.clamp(0, 1)).abs().max()) < 2e-3


def test_observations_beyond_those_of_calibration_still_give_the_right_current() -> None:
    network, seen = network_of_scales(1.0, 1.0), torch.rand(200, 16)
    made = dqn2snn.convert(network, seen, recipe="tan2021", num_steps=32).plan
    far = 1e4 * seen
    expected = (network[0](far).double() / made.report["scales"]["0"]).clamp(0, 1)
    assert float((constant_current(made, far) - expected).abs().max()) < 2e-3


# What a grid costs


@pytest.mark.parametrize("name", ["cartpole", "minatar-freeway"])
def test_the_grid_changes_few_q_values_and_little(name: str) -> None:
    seen = observations(name)[:100]
    on, raw = (
        dqn2snn.convert(
            agent(name),
            observations(name),
            recipe="tan2021",
            num_steps=200,
            grid=grid,
            engine="reference",
        )
        for grid in ("auto", None)
    )
    q, exact = on(seen), raw(seen)
    assert float((q - exact).abs().mean()) < 0.01 * float(exact.abs().mean())


def test_more_steps_take_a_coarser_grid() -> None:
    seen = observations("lunarlander")
    graph = trace(agent("lunarlander"), tuple(seen.shape[1:]))
    stats = calibrate(graph, seen)
    grids = [
        [layer.fraction_bits or 0 for layer in diehl2015(graph, stats, num_steps=num_steps).all_layers]
        for num_steps in (1, 100, 10_000)
    ]
    assert grids[0] >= grids[1] >= grids[2]
    assert grids[0] != grids[2]
    assert all(first == MAX_FRACTION_BITS for first, *_ in grids)


# Refusals


@pytest.fixture
def cartpole() -> tuple[nn.Module, Tensor]:
    return agent("cartpole"), observations("cartpole")


@pytest.mark.parametrize("grid", [0, -1, 15, 100, True, False, 3.0, "fine", "AUTO", [8]])
def test_what_is_no_grid_is_refused(cartpole: tuple[nn.Module, Tensor], grid: Any) -> None:
    with pytest.raises(ArgumentError, match=r'Expected grid="auto", None, or .* from 1 to 14\. Found'):
        dqn2snn.convert(*cartpole, recipe="tan2021", grid=grid)


def test_a_grid_that_is_too_fine_for_the_steps_is_refused_by_layer(
    cartpole: tuple[nn.Module, Tensor],
) -> None:
    with pytest.raises(
        PlanError, match=r"layer '\d' to be exact over 100000 steps on a grid of 2\^-14.* a coarser"
    ):
        dqn2snn.convert(*cartpole, recipe="tan2021", num_steps=100_000, grid=14)


@pytest.mark.parametrize("num_steps", [10**7, 2**24, 10**9, 10**30, 10**400])
def test_absurdly_many_steps_are_refused(cartpole: tuple[nn.Module, Tensor], num_steps: int) -> None:
    with pytest.raises(PlanError, match=r"exact over \d+ steps on some grid|at least 16 levels") as caught:
        dqn2snn.convert(*cartpole, recipe="tan2021", num_steps=num_steps)
    assert "Use fewer steps" in str(caught.value)


def test_raw_floats_take_any_number_of_steps(cartpole: tuple[nn.Module, Tensor]) -> None:
    made = dqn2snn.convert(*cartpole, recipe="tan2021", num_steps=10**9, grid=None).plan
    assert not made.on_grid
    assert all(layer.fraction_bits is layer.weight_bits is None for layer in made.all_layers)
    assert simulate_reference(made, cartpole[1][:2], 3).num_steps == 3


def one_layer_more(**changes: Any) -> SpikingPlan:
    """A raw plan with one neuron and one action."""
    affine = AffineLayer("fc", (Dense(torch.ones(1, 1).double()),), torch.zeros(1).double(), (1,), (1,))
    zero = torch.zeros((), dtype=torch.float64)
    output = SpikingLayer(replace(affine, name="out"), zero + 1, zero)
    first = replace(output, affine=affine, **changes)
    return SpikingPlan((first,), output, 1.0, 10, "mine", "", None)


@pytest.mark.parametrize("v_init", [-0.25, 1.0, 1.5, 1 - 1e-9])
def test_first_membranes_that_a_clamp_would_betray_are_refused(v_init: float) -> None:
    made = one_layer_more(v_init=torch.tensor(v_init, dtype=torch.float64))
    with pytest.raises(PlanError, match=r"first layer 'fc' in \[0, threshold\)"):
        on_grid(made, "auto", 1.0)


def test_thresholds_that_would_round_to_zero_are_refused() -> None:
    for made in (
        one_layer_more(threshold=torch.tensor([1e-5], dtype=torch.float64)),
        replace(
            one_layer_more(), output=replace(one_layer_more().output, threshold=torch.tensor(1e-6).double())
        ),
    ):
        with pytest.raises(PlanError, match=r"of at least one step of its grid, 2\^-14"):
            on_grid(made, "auto", 1.0)


def test_first_biases_that_no_float32_holds_are_refused() -> None:
    huge = one_layer_more()
    first = huge.layers[0]
    affine = first.affine.with_parameters(first.affine.weight, torch.tensor([2000.0]).double())
    with pytest.raises(PlanError, match=r"first layer 'fc'.*Found one of 2e\+03 thresholds"):
        on_grid(replace(huge, layers=(replace(first, affine=affine),)), "auto", 1.0)


def test_weights_that_a_grid_would_crush_are_refused() -> None:
    tiny = one_layer_more()
    affine = tiny.output.affine.with_parameters(torch.tensor([[1e-4]]).double(), torch.zeros(1).double())
    with pytest.raises(PlanError, match=r"layer 'out' at least 16 levels"):
        on_grid(replace(tiny, output=replace(tiny.output, affine=affine)), "auto", 1.0)


def test_a_layer_of_zeros_is_on_any_grid() -> None:
    zero = one_layer_more()
    affine = zero.output.affine.with_parameters(torch.zeros(1, 1).double(), torch.zeros(1).double())
    made = replace(zero, output=replace(zero.output, affine=affine))
    assert_on_grid(on_grid(made, "auto", 0.0))
