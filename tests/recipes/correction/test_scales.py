"""Scales and baselines, read off plans, turn the plan's own activations back into the DQN's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from dqn2snn.errors import PlanError
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import per_channel
from dqn2snn.plan.grid import on_grid
from dqn2snn.recipes.correction import light, potential, ridge, ridge_all
from dqn2snn.recipes.correction._scales import scales_of
from tests.recipes.correction.subjects import RECIPES, graph, observations, plan

KINDS = ("dense", "image")


def drives(made: SpikingPlan, x: Tensor) -> Iterator[Tensor]:
    """Currents of the hidden layers in steady state, as if neurons told real numbers: the plan as a network."""
    for i, layer in enumerate(made.layers):
        z = layer.affine(x)
        if made.coding.once and i > 0:
            z = z + per_channel(layer.v_init - layer.threshold / 2, layer.shape)
        yield z
        x = z.relu()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_pre_activation_is_the_current_that_its_scale_says(recipe: str, kind: str) -> None:
    made, x = plan(recipe, kind), observations(kind).double()
    for scale, current, z in zip(
        scales_of(made, graph(kind)), drives(made, x), graph(kind).pre_activations(x), strict=False
    ):
        torch.testing.assert_close(scale.current(z), current)


def test_there_is_a_baseline_where_a_recipe_folds() -> None:
    folded = scales_of(plan("rate", "dense"), graph("dense"))
    assert [int((scale.baseline > 0).sum()) > 0 for scale in folded] == [True, True]
    unfolded = scales_of(plan("tan2021", "dense"), graph("dense"))
    assert all(bool((scale.baseline == 0).all()) for scale in unfolded)


def test_membranes_do_not_matter_in_rate_coding() -> None:
    before, x = plan("rate", "dense"), observations("dense")
    after = potential(before, graph("dense"), x)
    torch.testing.assert_close(scales_of(after, graph("dense")), scales_of(before, graph("dense")))


def test_a_neuron_that_a_recipe_cuts_off_is_expected_to_be_silent() -> None:
    made = plan("tan2021", "dense")
    second = made.layers[1]
    weight, bias = second.affine.weight.clone(), second.affine.bias.clone()
    weight[3], bias[3] = 0, 0
    cut = replace(second, affine=second.affine.with_parameters(weight, bias))
    _, scale = scales_of(replace(made, layers=(made.layers[0], cut)), graph("dense"))
    rates = scale.rate(torch.ones(1, 10, dtype=torch.float64))
    assert float(rates[0, 3]) == 0
    assert bool((rates[0, [*range(3), *range(4, 10)]] > 0).all())


@pytest.mark.parametrize("correct", [light, ridge_all])
def test_corrected_biases_are_not_taken_for_the_recipes_own(correct: Callable[..., Any]) -> None:
    corrected = correct(plan("rate", "dense"), graph("dense"), observations("dense"))
    with pytest.raises(PlanError, match="Expected biases as the recipe made them"):
        scales_of(corrected, graph("dense"))


def test_in_delta_coding_membranes_are_biases() -> None:
    corrected = potential(plan("sigma_delta", "dense"), graph("dense"), observations("dense"))
    with pytest.raises(PlanError, match="potential has corrected them"):
        scales_of(corrected, graph("dense"))


def test_weights_of_another_network_are_found_out() -> None:
    made = plan("rate", "dense")
    second = made.layers[1]
    other = second.affine.with_parameters(second.affine.weight.flip(1), second.affine.bias)
    with pytest.raises(PlanError, match="Found others"):
        scales_of(replace(made, layers=(made.layers[0], replace(second, affine=other))), graph("dense"))


@pytest.mark.parametrize("correct", [scales_of, lambda made, of: ridge(made, of, observations("dense"))])
def test_plans_on_a_grid_and_of_other_shapes_are_refused(correct: Callable[..., Any]) -> None:
    with pytest.raises(PlanError, match="raw numbers"):
        correct(on_grid(plan("rate", "dense"), "auto", 1.0), graph("dense"))
    with pytest.raises(PlanError, match="of this network"):
        correct(plan("rate", "image"), graph("dense"))
