"""What plans need of chips: counted against hand counts, and against what the simulator does."""

from __future__ import annotations

import dataclasses
import math
from functools import cache

import pytest
import torch
from torch import nn

import dqn2snn
from dqn2snn import SpikingPlan, SpikingQNetwork
from dqn2snn.analysis.hardware import (
    DEVICES,
    ENERGY_MODELS,
    DecisionCost,
    EnergyModel,
    decision_cost,
    footprint,
    place,
    quantize,
)
from dqn2snn.engine.reference import simulate_reference
from dqn2snn.errors import ArgumentError


@cache
def nature() -> SpikingPlan:
    """The network of Mnih et al. (2015)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(
            *(nn.Conv2d(4, 32, 8, 4), nn.ReLU(), nn.Conv2d(32, 64, 4, 2), nn.ReLU()),
            *(nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3136, 512), nn.ReLU()),
            nn.Linear(512, 6),
        )
        return dqn2snn.convert(net, torch.rand(16, 4, 84, 84), num_steps=16).plan


@cache
def cartpole() -> tuple[SpikingPlan, torch.Tensor]:
    agent = dqn2snn.load_q_network("cartpole")
    observations = dqn2snn.collect_observations(agent, 500, progress=False)
    return dqn2snn.convert(agent, observations, num_steps=16).plan, observations


def test_the_nature_network_is_counted_as_by_hand() -> None:
    needs = footprint(nature())
    assert [layer.neurons for layer in needs.layers] == [12_800, 5_184, 3_136, 512, 6]
    assert [layer.fan_in for layer in needs.layers] == [256, 512, 576, 3_136, 512]
    assert [layer.weights for layer in needs.layers] == [8_192, 32_768, 36_864, 1_605_632, 3_072]
    assert [layer.synapses for layer in needs.layers] == [
        neurons * fan_in
        for neurons, fan_in in ((12_800, 256), (5_184, 512), (3_136, 576), (512, 3_136), (6, 512))
    ]
    assert needs.synapses == nature().dqn_macs


def test_padding_lowers_the_synapses_but_not_the_fan_in() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(18, 2))
    plan = dqn2snn.convert(net, torch.rand(50, 1, 3, 3), num_steps=8).plan
    first = footprint(plan).layers[0]
    assert (first.fan_in, first.synapses) == (9, 2 * (4 * 4 + 4 * 6 + 9))


def test_bits_hold_every_weight_and_every_membrane_that_is_met() -> None:
    plan, observations = cartpole()
    for bits in (4, 8):
        made = quantize(plan, bits, observations=observations)
        needs = footprint(made)
        assert all(layer.weight_bits is not None and layer.weight_bits <= bits for layer in needs.layers)
        assert needs.weight_bytes is not None
        assert needs.weight_bytes <= sum(layer.weights for layer in needs.layers) * bits / 8
        membranes = largest_membranes(made, observations)
        for layer, need, met in zip(made.all_layers, needs.layers, membranes, strict=True):
            assert need.membrane_bits is not None
            assert layer.fraction_bits is not None
            assert met * 2**layer.fraction_bits <= 2 ** (need.membrane_bits - 1)


def largest_membranes(plan: SpikingPlan, observations: torch.Tensor) -> list[float]:
    """Met in a simulation, before spikes are subtracted."""
    from dqn2snn.dynamics.encode import constant_current
    from dqn2snn.dynamics.neuron import if_step
    from dqn2snn.dynamics.state import at_rest

    ready = plan.cast(torch.float64)
    states, current = list(at_rest(ready, len(observations)).layers), constant_current(plan, observations)
    largest = [0.0] * len(states)
    for _ in range(plan.num_steps):
        fired = current
        for i, layer in enumerate(ready.all_layers):
            arriving = fired if i == 0 else layer.affine(fired)
            largest[i] = max(largest[i], float((states[i].membrane + arriving).abs().max()))
            fired, states[i] = if_step(arriving, states[i], layer)
    return largest


def test_raw_numbers_have_no_bits() -> None:
    net, states = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.rand(64, 4)
    plan = dqn2snn.convert(net, states, num_steps=8, grid=None).plan
    needs = footprint(plan)
    assert needs.weight_bytes is None
    assert "float" in needs.summary()
    assert "raw numbers" in place(plan, "loihi").obstacles[0]


def test_the_nature_network_on_loihi() -> None:
    placement = place(quantize(nature(), 8), "loihi")
    needs = footprint(nature())
    per_core = 128 * 1024 * 8 // 9
    assert placement.cores == tuple(
        max(math.ceil(layer.neurons / 1024), math.ceil(layer.synapses / per_core)) for layer in needs.layers
    )
    assert placement.fits == (sum(placement.cores) <= 128)


def test_speck_holds_small_convolutions_and_says_what_it_does_not_hold() -> None:
    net = nn.Sequential(
        *(nn.Conv2d(2, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.Flatten()),
        nn.Linear(32 * 36, 4),
    )
    plan = quantize(dqn2snn.convert(net, torch.rand(32, 2, 10, 10), num_steps=16).plan, 8)
    assert place(plan, "speck").fits
    assert place(plan, "speck").cores == (1, 1, 1)
    large = place(quantize(nature(), 8), "speck")
    assert "no free core of Speck holds layer 7" in large.obstacles
    assert large.cores[3] == 0


def test_kernels_take_whole_bits_of_addresses_on_speck() -> None:
    from dqn2snn.analysis.hardware.placement import _stored

    net = nn.Sequential(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32 * 16, 2))
    plan = dqn2snn.convert(net, torch.rand(16, 16, 4, 4), num_steps=8).plan
    assert _stored(footprint(plan).layers[0]) == 8 * 1024  # the example of Sinabs' own page


def test_xylo_limits_inputs_outputs_and_bits() -> None:
    obstacles = place(nature(), "xylo").obstacles
    assert any("28224 inputs; Xylo Audio 2 has 16" in each for each in obstacles)
    assert any("quantize(plan, bits=8)" in each for each in obstacles)
    plan, _ = cartpole()
    assert place(quantize(plan, 8), "xylo").fits
    small = dataclasses.replace(DEVICES["xylo"], neurons_per_core=(100,))
    assert any("hidden neurons; Xylo Audio 2 has 100" in each for each in place(plan, small).obstacles)


def test_a_device_of_ones_own() -> None:
    plan, _ = cartpole()
    tiny = dataclasses.replace(DEVICES["loihi"], name="Tiny", cores=2)
    assert any("Tiny has 2" in each for each in place(quantize(plan, 8), tiny).obstacles)
    with pytest.raises(ArgumentError, match="Expected a device out of loihi, loihi2, speck, xylo"):
        place(plan, "brain")


def test_the_cost_of_a_decision_is_what_the_reference_sends() -> None:
    plan, observations = cartpole()
    cost = decision_cost(plan, SpikingQNetwork(plan).record(observations))
    spikes = simulate_reference(plan, observations, plan.num_steps, spikes=True).spikes
    assert spikes is not None
    operations = sum(
        float((train.double().abs().sum(0) * plan.all_layers[i + 1].affine.neurons).flatten(1).sum(1).mean())
        for i, train in enumerate(spikes[:-1])
    )
    assert cost.synaptic_operations == pytest.approx(operations)
    assert cost.neuron_updates == sum(layer.affine.neurons for layer in plan.all_layers) * plan.num_steps


@pytest.mark.parametrize("name", sorted(ENERGY_MODELS))
def test_energy_is_a_weighted_count(name: str) -> None:
    model, cost = ENERGY_MODELS[name], DecisionCost(1e6, 2_000, 300)
    expected = 1e6 * model.synaptic_operation + 2_000 * model.neuron_update + 300 * model.mac
    assert cost.joules(name) == pytest.approx(expected * 1e-12)
    assert cost.joules(model) == cost.joules(name)
    assert model.name in cost.summary()


def test_unknown_and_negative_energies_are_refused() -> None:
    with pytest.raises(ArgumentError, match="Expected an energy model out of 45nm, loihi, spinnaker2"):
        DecisionCost(1.0, 1, 1).joules("abacus")
    with pytest.raises(ArgumentError, match="Expected energies of 0 pJ or more"):
        EnergyModel("mine", -1.0, 0.0, 0.0, "", "")
