"""Errors that were planted are found where they are, and every error is accounted for."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest
import torch
from torch import nn

import dqn2snn
from dqn2snn.analysis.diagnosis import Diagnosis, diagnose
from dqn2snn.analysis.diagnosis._layers import CAUSES
from dqn2snn.errors import ArgumentError, PlanError
from dqn2snn.metrics import action_agreement, regret
from dqn2snn.network import SpikingQNetwork
from tests.agents import agent, observations

MEAN_RATE = "rate:threshold=max:readout=rate+none"
RECIPES = {
    "slope": ("rate+none", 16),
    "rate": (MEAN_RATE, 16),
    "rate_if": ("rate_if+none", 16),
    "burst": ("burst+none", 4),
    "tan2021": ("tan2021", 64),
    "sigma_delta": ("sigma_delta", 4),
}


@cache
def network(name: str, recipe: str) -> SpikingQNetwork:
    rule, num_steps = RECIPES[recipe]
    return dqn2snn.convert(agent(name), observations(name), recipe=rule, num_steps=num_steps)


def diagnosed(snn: SpikingQNetwork, name: str, count: int = 200) -> Diagnosis:
    return diagnose(agent(name), snn, observations(name)[:count])


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", ["acrobot", "minatar-breakout"])
def test_all_of_the_error_is_accounted_for(name: str, recipe: str) -> None:
    found = diagnosed(network(name, recipe), name, 60)
    inside = sum(share for layer in found.layers for share in layer.shares.values())
    assert inside + sum(found.outside.values()) == pytest.approx(1, abs=1e-9)
    # Simulation is in float32, and plans have weights on a grid; the rest is of neurons.
    assert found.outside["readout"] == pytest.approx(0, abs=0.01)
    # The head is linear, so that the last layer's channels have all of its share.
    last = found.layers[-1]
    for cause in CAUSES:
        assert sum(last.channel_shares[cause]) == pytest.approx(last.shares[cause], abs=1e-6)


def test_decisions_and_their_costs_are_those_of_the_metrics() -> None:
    snn, x = network("acrobot", "rate"), observations("acrobot")[:200]
    with torch.no_grad():
        q, q_snn = agent("acrobot")(x), snn(x)
    found = diagnosed(snn, "acrobot")
    assert found.agreement.mean == action_agreement(q, q_snn)
    assert found.regret == pytest.approx(regret(q, q_snn), rel=1e-5)
    assert len(found.flips) == int((q.argmax(1) != q_snn.argmax(1)).sum())
    assert [flip.regret for flip in found.flips] == sorted(
        (flip.regret for flip in found.flips), reverse=True
    )
    for flip in found.flips:
        assert (flip.dqn_action, flip.snn_action) == (
            int(q[flip.observation].argmax()),
            int(q_snn[flip.observation].argmax()),
        )
    counts = snn.record(x).counts[1]
    assert found.layers[1].silent_neurons == tuple((counts == 0).all(0).nonzero().flatten().tolist())


@pytest.mark.parametrize("name", ["acrobot", "minatar-breakout"])
def test_a_low_percentile_is_clipping(name: str) -> None:
    rule = "rate:threshold=90:readout=rate+none"
    snn = dqn2snn.convert(agent(name), observations(name), recipe=rule, num_steps=64)
    found = diagnosed(snn, name)
    assert found.share("clipping") > 0.8
    assert "is clipping" in found.advice
    assert "raise the percentile" in found.advice
    assert "(recipe rate:threshold=max" in found.advice


@pytest.mark.parametrize("name", ["acrobot", "minatar-breakout", "cartpole"])
def test_four_steps_are_quantisation(name: str) -> None:
    snn = dqn2snn.convert(agent(name), observations(name), recipe=MEAN_RATE, num_steps=4)
    found = diagnosed(snn, name)
    assert found.share("quantisation") > 0.6
    assert "is quantisation" in found.advice
    assert "take more steps, 8 instead of 4" in found.advice


def test_a_deep_network_that_takes_nothing_back_is_uneven() -> None:
    generator = torch.Generator().manual_seed(0)
    widths = [6, 64, 64, 64, 64, 64, 3]
    layers = [nn.Linear(before, after) for before, after in pairwise(widths)]
    with torch.no_grad():
        for layer in layers:
            layer.weight.copy_(
                torch.randn(layer.weight.shape, generator=generator) * (2 / layer.in_features) ** 0.5
            )
            layer.bias.zero_()
    modules = [module for layer in layers for module in (layer, nn.ReLU())][:-1]
    deep = nn.Sequential(*modules)
    x = torch.randn(300, 6, generator=generator)

    def shares(recipe: str) -> Diagnosis:
        snn = dqn2snn.convert(deep, x, recipe=recipe, num_steps=32)
        return diagnose(deep, snn, x[:150])

    uneven = shares("rate_if:threshold=max:readout=rate+none")
    assert uneven.share("unevenness") > 0.6
    assert "recipe rate" in uneven.advice
    signed = shares(MEAN_RATE)
    assert signed.share("unevenness") < 0.2
    assert signed.error < uneven.error


def test_a_planted_channel_is_found() -> None:
    name, layer = "minatar-breakout", 1
    snn = dqn2snn.convert(agent(name), observations(name), recipe=MEAN_RATE, num_steps=128, grid=None)
    plan = snn.plan
    strongest = int(plan.output.affine.weight.std(0).argmax())
    hurt, after = plan.layers[layer], plan.output
    threshold = torch.ones(hurt.affine.neurons, dtype=torch.float64)
    threshold[strongest] = 0.05  # a twentieth of what it could tell, told in spikes of a twentieth
    weight = after.affine.weight.clone()
    weight[:, strongest] *= 0.05
    broken = replace(
        plan,
        layers=(plan.layers[0], replace(hurt, threshold=threshold, v_init=0.5 * threshold)),
        output=replace(after, affine=after.affine.with_parameters(weight, after.affine.bias)),
    )
    found = diagnosed(SpikingQNetwork(broken, engine="torch"), name)
    shares = found.layers[layer].channel_shares["clipping"]
    assert shares.index(max(shares)) == strongest
    assert max(shares) > 0.9
    assert strongest in found.layers[layer].clipped_neurons
    assert f"in layer {hurt.name}" in found.advice


def test_where_levels_persist_the_error_is_that_of_the_stream() -> None:
    x = observations("acrobot")[:80]
    snn = network("acrobot", "sigma_delta")
    episodes = [0] * 50 + [1] * 30
    found = diagnose(agent("acrobot"), snn, x, episode_ids=episodes)
    stream = snn.stream()
    first = [i in (0, 50) for i in range(80)]
    q = torch.cat([stream.step(x[i : i + 1], torch.tensor([first[i]])) for i in range(80)])
    assert found.agreement.mean == action_agreement(agent("acrobot")(x), q)


def test_it_is_a_text_and_plain_data() -> None:
    found = diagnosed(network("acrobot", "rate"), "acrobot")
    assert str(found).endswith(found.advice)
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["layers"][0]["shares"].keys() == set(CAUSES)


def test_what_cannot_be_diagnosed_is_refused() -> None:
    snn = network("acrobot", "rate")
    with pytest.raises(ArgumentError, match="Found 0 and 3"):
        diagnose(agent("acrobot"), snn, observations("acrobot")[:0])
    timed = dqn2snn.convert(agent("acrobot"), observations("acrobot"), recipe="ttfs")
    with pytest.raises(PlanError, match="whose spikes are counted"):
        diagnosed(timed, "acrobot")
