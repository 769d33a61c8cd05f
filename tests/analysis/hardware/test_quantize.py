"""Quantised plans: few bits everywhere, the same spikes on every engine, and decisions that calibration gives back."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import pytest
import torch

import dqn2snn
from dqn2snn import SpikingPlan, SpikingQNetwork
from dqn2snn.analysis.hardware import footprint, quantize
from dqn2snn.analysis.hardware._rounding import Per
from dqn2snn.engine.reference import simulate_reference
from dqn2snn.errors import ArgumentError, CalibrationError, Dqn2SnnError, ObservationError, PlanError
from dqn2snn.plan.grid import on_grid
from tests.properties import assert_same_q_values, assert_same_spikes
from tests.recipes.correction import subjects

RECIPES = sorted(subjects.RECIPES)
KINDS = ("dense", "image")


@cache
def gridded(recipe: str, kind: str) -> SpikingPlan:
    return on_grid(subjects.plan(recipe, kind), "auto", 1.0)


def codes_of(plan: SpikingPlan) -> list[torch.Tensor]:
    """Whole numbers q of every layer, `[C', F]`, by the exponents of the report."""
    found = []
    for layer in plan.all_layers:
        exponent = torch.tensor(plan.report["quantization"]["exponents"][layer.name], dtype=torch.float64)
        found.append(layer.affine.weight.double().flatten(1) * 2.0 ** exponent[:, None])
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("calibrated", [False, True])
def test_every_recipe_gets_weights_of_so_many_bits(recipe: str, kind: str, calibrated: bool) -> None:
    observations = subjects.observations(kind) if calibrated else None
    for bits in (3, 8):
        for plan in (gridded(recipe, kind), subjects.plan(recipe, kind)):
            made = quantize(plan, bits, observations=observations)
            assert made.on_grid == plan.on_grid
            for codes in codes_of(made):
                assert torch.equal(codes, codes.round())
                assert float(codes.abs().max()) <= 2 ** (bits - 1) - 1
    assert all((layer.weight_bits or 0) <= 8 for layer in footprint(made).layers)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_engine_and_backend_gives_the_spikes_of_the_reference(recipe: str, kind: str) -> None:
    observations = subjects.observations(kind, seed=1, count=40)
    plan = quantize(gridded(recipe, kind), 4, observations=subjects.observations(kind))
    expected = simulate_reference(plan, observations, plan.num_steps, spikes=True)
    for engine in ("auto", "torch", "modules"):
        for backend in ("snntorch", "norse") if engine == "modules" else ("snntorch",):
            actual = SpikingQNetwork(plan, backend, engine).record(observations, spikes=True)
            assert_same_spikes(actual, expected)
            assert_same_q_values(actual, expected)


@pytest.mark.parametrize("recipe", RECIPES)
def test_many_bits_change_nothing_that_a_grid_does_not(recipe: str) -> None:
    plan = gridded(recipe, "dense")
    fine = quantize(plan, 16)
    for before, after in zip(plan.all_layers, fine.all_layers, strict=True):
        assert torch.equal(before.affine.weight, after.affine.weight)
        assert torch.equal(before.affine.bias, after.affine.bias)


@pytest.mark.parametrize("per", ["channel", "layer"])
@pytest.mark.parametrize("name", ["minatar-breakout", "acrobot"])
def test_calibration_gives_decisions_back(name: str, per: Per) -> None:
    agent = dqn2snn.load_q_network(name)
    observations = dqn2snn.collect_observations(agent, 2_000, progress=False)
    seen, fresh = observations[::2], observations[1::2]
    plan = dqn2snn.convert(agent, seen, num_steps=32).plan
    decisions = agent(fresh).argmax(1)

    def agreement(plan: SpikingPlan) -> float:
        return float((SpikingQNetwork(plan)(fresh).argmax(1) == decisions).double().mean())

    for bits, lost in ((8, 0.03), (4, 0.25)):
        plain, repaired = (
            agreement(quantize(plan, bits, per=per, observations=each)) for each in (None, seen)
        )
        assert repaired > plain
        assert repaired > agreement(plan) - lost


def test_a_layer_shares_one_exponent() -> None:
    made = quantize(gridded("rate", "image"), 8, per="layer", observations=subjects.observations("image"))
    assert all(len(set(found)) == 1 for found in made.report["quantization"]["exponents"].values())


def test_groups_are_rounded_by_what_each_of_them_reads() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = torch.nn.Sequential(
            torch.nn.Conv2d(4, 8, 3, groups=2),
            torch.nn.ReLU(),
            torch.nn.Conv2d(8, 8, 2, groups=4, padding=1),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(8 * 5 * 5, 3),
        )
    observations = torch.rand(300, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    plan = dqn2snn.convert(net, observations, num_steps=32, recipe="rate_if").plan
    q = net(observations).detach()
    errors = [
        float((SpikingQNetwork(quantize(plan, 4, observations=each))(observations) - q).var(0).sum())
        for each in (None, observations)
    ]
    assert errors[1] < 0.5 * errors[0]


def test_the_same_call_gives_the_same_plan() -> None:
    first, second = (
        quantize(gridded("rate", "image"), 4, observations=subjects.observations("image")) for _ in range(2)
    )
    for one, other in zip(first.all_layers, second.all_layers, strict=True):
        assert torch.equal(one.affine.weight, other.affine.weight)


def test_a_latency_coded_plan_is_rounded_to_the_nearest_only() -> None:
    observations = subjects.observations("dense")
    plan = dqn2snn.convert(subjects.network("dense"), observations, recipe="ttfs").plan
    assert all(torch.equal(codes, codes.round()) for codes in codes_of(quantize(plan, 8)))
    with pytest.raises(PlanError, match="Leave observations out"):
        quantize(plan, 8, observations=observations)


def test_a_quantised_plan_survives_its_file(tmp_path: Path) -> None:
    plan = quantize(gridded("rate", "dense"), 4, observations=subjects.observations("dense"))
    dqn2snn.save_plan(plan, tmp_path / "plan.safetensors")
    again = dqn2snn.load_plan(tmp_path / "plan.safetensors")
    assert again.report["quantization"] == plan.report["quantization"]
    assert footprint(again) == footprint(plan)


@pytest.mark.parametrize("bits", [1, 17, True, 8.0, "8"])
def test_wrong_bits_are_refused(bits: int) -> None:
    with pytest.raises(ArgumentError, match="Expected whole bits of a weight from 2 to 16"):
        quantize(gridded("rate", "dense"), bits)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"per": "row"}, ArgumentError),
        ({"samples": 0}, ArgumentError),
        ({"observations": torch.zeros(0, 5)}, CalibrationError),
        ({"observations": torch.zeros(3, 4)}, ObservationError),
        ({"observations": torch.full((3, 5), math.nan)}, ObservationError),
    ],
)
def test_other_wrong_arguments_are_refused(options: dict[str, object], error: type[Dqn2SnnError]) -> None:
    with pytest.raises(error, match="Expected"):
        quantize(gridded("rate", "dense"), 8, **options)  # type: ignore[arg-type]
