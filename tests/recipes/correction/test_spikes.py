"""Mean spikes: those of the float64 oracle, whatever simulates them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import dqn2snn
from dqn2snn.engine import simulate_reference
from dqn2snn.engine.event import EventNetwork, simulation
from dqn2snn.engine.event.simulation import values_by_events
from dqn2snn.errors import ArgumentError, ObservationError, PlanError
from dqn2snn.plan import SpikingPlan
from dqn2snn.recipes._assemble import placed
from dqn2snn.recipes.correction import ftbc, mean_spikes
from dqn2snn.tracing.calibration import calibrate
from tests.engine.compiled import needs_extension
from tests.recipes.correction.subjects import RECIPES, graph, network, observations, plan

COUNTED = [recipe for recipe in RECIPES if recipe != "sigma_delta"]
HOST = torch.device("cpu")


def on_grid(made: SpikingPlan, kind: str) -> SpikingPlan:
    return placed(made, calibrate(graph(kind), observations(kind)), "auto")


def expected(made: SpikingPlan, x: Tensor, layers: list[int]) -> list[Tensor]:
    weights = made.coding.worth(made)
    spikes = simulate_reference(made, x, len(weights), spikes=True).spikes
    assert spikes is not None
    return [torch.tensordot(weights, spikes[i].double(), 1).float() for i in layers]


@pytest.mark.parametrize("kind", ["dense", "image"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_step_by_step_they_are_those_of_the_oracle(recipe: str, kind: str) -> None:
    x, made = observations(kind, seed=1, count=40), on_grid(plan(recipe, kind), kind)
    assert made.on_grid
    torch.testing.assert_close(list(mean_spikes(made, x, [1, 0])), expected(made, x, [1, 0]))
    assert len(mean_spikes(made, x)) == len(made.layers)
    assert mean_spikes(made, x, []) == ()


@pytest.mark.parametrize(
    ("recipe", "x", "layers", "error", "found"),
    [
        ("rate", torch.full((2, 5), torch.nan), None, ObservationError, "NaN"),
        ("rate", torch.rand(2, 4), None, ObservationError, r"\[2, 4\]"),
        ("rate", torch.rand(2, 5), [-1], ArgumentError, r"0 to 1. Found \[-1\]"),
        ("rate", torch.rand(2, 5), [2], ArgumentError, r"0 to 1. Found \[2\]"),
        ("ttfs", torch.rand(2, 5), None, PlanError, "latency"),
    ],
)
def test_what_cannot_be_simulated_is_refused(
    recipe: str, x: Tensor, layers: list[int] | None, error: type[Exception], found: str
) -> None:
    made = dqn2snn.convert(
        network("dense"), observations("dense"), recipe=recipe, num_steps=8, grid=None
    ).plan
    with pytest.raises(error, match=found):
        mean_spikes(made, x, layers)


@needs_extension
@pytest.mark.parametrize("kind", ["dense", "image"])
@pytest.mark.parametrize("recipe", COUNTED)
def test_by_events_they_are_those_of_the_oracle(recipe: str, kind: str) -> None:
    x, made = observations(kind, seed=1, count=40), on_grid(plan(recipe, kind), kind)
    found = values_by_events(EventNetwork(made), x, [1, 0], 2)
    torch.testing.assert_close(list(found), expected(made, x, [1, 0]))


@needs_extension
def test_in_raw_numbers_events_serve_and_batches_are_as_small_as_memory_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = observations("image", seed=1, count=40)
    made = ftbc(plan("rate", "image"), graph("image"), observations("image"))
    sizes: list[int] = []

    def noted(network: EventNetwork, part: Tensor, layers: list[int], threads: int) -> tuple[Tensor, ...]:
        sizes.append(len(part))
        return values_by_events(network, part, layers, threads)

    monkeypatch.setattr(simulation, "values_by_events", noted)
    first = made.num_steps * made.layers[0].affine.neurons
    monkeypatch.setattr(simulation, "_KEPT", 7 * first)  # of seven observations
    (found,) = mean_spikes(made, x, [0])
    assert sizes == [7] * 5 + [5]
    torch.testing.assert_close(found, expected(made, x, [0])[0])
