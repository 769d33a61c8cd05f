"""Mean spikes: those of the float64 oracle, whatever simulates them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dqn2snn.calibration import calibrate
from dqn2snn.correction import _spikes, ftbc, mean_spikes
from dqn2snn.correction._spikes import step_weights
from dqn2snn.engine import simulate_reference
from dqn2snn.engine.choice import PreparedPlan
from dqn2snn.plan import SpikingPlan
from dqn2snn.recipes._assemble import placed
from tests.correction.subjects import RECIPES, graph, observations, plan
from tests.engine.compiled import needs_extension

COUNTED = [recipe for recipe in RECIPES if recipe != "sigma_delta"]
HOST = torch.device("cpu")


def on_grid(made: SpikingPlan, kind: str) -> SpikingPlan:
    return placed(made, calibrate(graph(kind), observations(kind)), "auto")


def expected(made: SpikingPlan, x: Tensor, layers: list[int]) -> list[Tensor]:
    weights = step_weights(made)
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


@needs_extension
@pytest.mark.parametrize("kind", ["dense", "image"])
@pytest.mark.parametrize("recipe", COUNTED)
def test_by_events_they_are_those_of_the_oracle(recipe: str, kind: str) -> None:
    x, made = observations(kind, seed=1, count=40), on_grid(plan(recipe, kind), kind)
    found = _spikes._by_events(PreparedPlan(made, HOST), x, [1, 0])
    torch.testing.assert_close(list(found), expected(made, x, [1, 0]))


@needs_extension
def test_in_raw_numbers_events_serve_and_batches_are_as_small_as_memory_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = observations("image", seed=1, count=40)
    made = ftbc(plan("rate", "image"), graph("image"), observations("image"))
    sizes: list[int] = []

    def noted(prepared: PreparedPlan, part: Tensor, layers: list[int]) -> tuple[Tensor, ...]:
        sizes.append(len(part))
        return by_events(prepared, part, layers)

    by_events = _spikes._by_events
    monkeypatch.setattr(_spikes, "_by_events", noted)
    monkeypatch.setattr(
        _spikes, "_KEPT", 7 * 8 * 6 * 6 * 6
    )  # seven observations of eight steps of the first layer
    (found,) = mean_spikes(made, x, [0])
    assert sizes == [7] * 5 + [5]
    torch.testing.assert_close(found, expected(made, x, [0])[0])
