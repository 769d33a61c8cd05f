"""Digit and leaky codings: every engine and both libraries fire the spikes of the float64 reference."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from snntorch import utils
from torch import Tensor, nn

import dqn2snn
from dqn2snn.dynamics.record import Record
from dqn2snn.engine.registry import ENGINES
from dqn2snn.network import SpikingQNetwork
from dqn2snn.plan.file import load_plan, save_plan
from tests import agents

DIGITS = {
    f"digits:base={base:g}:max_spikes={k}": steps
    for base, k, steps in (
        (1.5, 1, 16), (2, 1, 14), (2, 2, 10), (3, 2, 8), (3, 15, 8), (4, 3, 8), (4, 15, 6), (8, 7, 5), (16, 15, 4)
    )
}  # fmt: skip
LEAKY = {f"leaky:beta={beta}": 32 for beta in (0.5, 0.9, 0.95)}
RECIPES = {**DIGITS, **LEAKY}


def network(random: Random) -> tuple[nn.Module, Tensor]:
    """A small convolutional or dense network of random depth, and observations for it."""
    torch.manual_seed(random.randrange(2**31))
    if random.random() < 0.5:
        width = random.randint(3, 24)
        hidden = [m for _ in range(random.randint(0, 2)) for m in (nn.Linear(width, width), nn.ReLU())]
        return nn.Sequential(nn.Linear(5, width), nn.ReLU(), *hidden, nn.Linear(width, 3)), torch.randn(48, 5)
    channels, padding = random.randint(2, 5), random.randint(0, 1)
    body = [
        nn.Conv2d(2, channels, 3, padding=padding),
        nn.ReLU(),
        nn.Conv2d(channels, 4, 3, stride=2),
        nn.ReLU(),
    ]
    dense = 4 * ((7 + 2 * padding - 2 - 3) // 2 + 1) ** 2
    layers = [*body, nn.Flatten(), nn.Linear(dense, 12), nn.ReLU(), nn.Linear(12, 4)]
    return nn.Sequential(*layers), torch.rand(48, 2, 7, 7)


def assert_same(found: Record, expected: Record) -> None:
    assert found.spikes is not None
    assert expected.spikes is not None
    for got, want in zip(found.spikes, expected.spikes, strict=True):
        assert torch.equal(got, want)
    for got, want in zip((*found.counts, *found.sent), (*expected.counts, *expected.sent), strict=True):
        assert torch.equal(got.double(), want.double())
    scale = float(expected.q.abs().max())
    torch.testing.assert_close(found.q.double(), expected.q, rtol=1e-5, atol=1e-6 * scale)


def engines_for(snn: SpikingQNetwork) -> list[str]:
    device = torch.device("cpu")
    return [name for name, engine in ENGINES.items() if engine.refusal(snn.plan, device) is None]


@settings(max_examples=12)
@given(
    st.sampled_from(sorted(RECIPES)),
    st.sampled_from(["snntorch", "norse"]),
    st.randoms(use_true_random=False),
)
def test_every_engine_and_backend_fires_the_spikes_of_the_reference(
    recipe: str, backend: str, random: Random
) -> None:
    dqn, observations = network(random)
    snn = dqn2snn.convert(dqn, observations, recipe=recipe, num_steps=RECIPES[recipe], backend=backend)
    seen = observations[: random.choice((1, 7, 48))]
    with torch.no_grad():
        expected = snn.record(seen, spikes=True, engine="reference")
        for engine in engines_for(snn):
            assert_same(snn.record(seen, spikes=True, engine=engine), expected)


@pytest.mark.parametrize("recipe", ["digits", "digits:max_spikes=1", "leaky"])
@pytest.mark.parametrize("name", ["lunarlander", "minatar-space_invaders"])
def test_agents_fire_the_spikes_of_the_reference(name: str, recipe: str) -> None:
    snn = dqn2snn.convert(agents.agent(name), agents.observations(name), recipe=recipe, num_steps=12)
    observations = agents.observations(name)[:200]
    with torch.no_grad():
        expected = snn.record(observations, spikes=True, engine="reference")
        for engine in engines_for(snn):
            assert_same(snn.record(observations, spikes=True, engine=engine), expected)
            short = snn.record(observations[:9], 5, engine=engine)
            torch.testing.assert_close(short.q.double(), expected.q[:5, :9], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("recipe", ["digits", "leaky"])
def test_a_plan_in_a_file_is_the_same_plan(recipe: str, tmp_path: Path) -> None:
    dqn, observations = network(Random(3))
    snn = dqn2snn.convert(dqn, observations, recipe=recipe, num_steps=8)
    save_plan(snn, tmp_path / "network.plan")
    again = SpikingQNetwork(load_plan(tmp_path / "network.plan"))
    assert_same(
        again.record(observations, spikes=True), snn.record(observations, spikes=True, engine="reference")
    )


@pytest.mark.parametrize("backend", ["snntorch", "norse"])
def test_a_second_decision_begins_anew(backend: str) -> None:
    dqn, observations = network(Random(4))
    snn = dqn2snn.convert(dqn, observations, recipe="digits", num_steps=8, backend=backend, engine="modules")
    assert torch.equal(snn(observations), snn(observations))
    stream = snn.stream()
    for _ in range(2):
        torch.testing.assert_close(stream.step(observations), snn(observations))


def test_hidden_neurons_of_snntorch_are_reset_by_snntorch() -> None:
    dqn, observations = network(Random(5))
    snn = dqn2snn.convert(dqn, observations, recipe="digits", num_steps=8)
    net = snn.network.to_sequential()
    membranes = []
    for _ in range(2):
        utils.reset(net)
        for _ in range(8):
            *_, membrane = net(observations)
        membranes.append(membrane)
    assert torch.equal(*membranes)
    assert torch.equal(membranes[0].argmax(1), snn(observations).argmax(1))


@pytest.mark.parametrize("backend", ["snntorch", "norse"])
@pytest.mark.parametrize("recipe", ["digits", "leaky"])
def test_gradients_reach_the_first_weights(recipe: str, backend: str) -> None:
    dqn, observations = network(Random(6))
    snn = dqn2snn.convert(dqn, observations, recipe=recipe, num_steps=8, backend=backend, engine="modules")
    snn(observations).square().sum().backward()
    gradients = [each.grad for each in snn.network.parameters() if each.grad is not None]
    assert len(gradients) >= 4
    assert all(bool(torch.isfinite(each).all()) and bool(each.any()) for each in gradients)
