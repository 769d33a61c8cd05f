"""Plug-ins: the example package adds a recipe by its entry point, to Python and to the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import dqn2snn
from dqn2snn._utils.plugins import plugins
from dqn2snn.cli import main
from dqn2snn.errors import ArgumentError
from dqn2snn.plan.file import plan_bytes
from dqn2snn.recipes import Recipe, entry_named, names_of, rate
from dqn2snn.recipes.registry import GROUPS
from tests import agents
from tests.plugged import announce, plugged

MODULE, GROUP = "dqn2snn_recipe_plugin", GROUPS["rule"]

HALVED = """
from dataclasses import replace

def halved(plan, graph, observations, *, factor: float = 0.5):
    return replace(plan, readout_scale=plan.readout_scale * factor)
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example package, installed."""
    return plugged("recipe_plugin", tmp_path / "site", monkeypatch)


def test_a_package_adds_a_recipe(installed: Path) -> None:
    assert list(plugins(GROUP)) == ["rate_max"]
    network, seen = agents.agent("cartpole"), agents.observations("cartpole")
    snn = dqn2snn.convert(network, seen, recipe="rate_max", num_steps=16)
    assert not torch.equal(
        snn.plan.layers[0].affine.weight,
        dqn2snn.convert(network, seen, recipe="rate+none", num_steps=16).plan.layers[0].affine.weight,
    )
    again = dqn2snn.convert(
        network, seen, recipe=Recipe(entry_named("rate_max", "rule").function), num_steps=16
    )
    assert plan_bytes(again.plan) == plan_bytes(snn.plan)
    assert str(Recipe("rate_max+ridge")) == "rate_max+ridge"
    assert names_of("rule")[-1] == "rate_max"


def test_a_package_adds_a_correction(installed: Path) -> None:
    (installed / "halved.py").write_text(HALVED)
    announce(installed, "halved", GROUPS["correction"], "halved = halved:halved")
    trained, seen = agents.agent("cartpole"), agents.observations("cartpole")
    plan = dqn2snn.convert(trained, seen, recipe="tan2021+halved:factor=0.25", num_steps=4, grid=None).plan
    whole = dqn2snn.convert(trained, seen, recipe="tan2021", num_steps=4, grid=None).plan
    assert plan.readout_scale == whole.readout_scale / 4
    assert plan.recipe == "tan2021+halved:factor=0.25"
    with pytest.raises(ArgumentError, match=r"an option of halved out of factor\. Found 'faktor'"):
        Recipe("tan2021+halved:faktor=2")


def test_the_command_line_knows_it(
    installed: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ["--recipe", "rate_max", "--steps", "4", "--observations", "100", "--json"]
    assert main(["convert", "cartpole", *arguments, "--output", str(tmp_path / "plan.safetensors")]) == 0
    assert json.loads(capsys.readouterr().out)["num_steps"] == 4
    assert main(["info", "--json"]) == 0
    assert "clip nothing" in json.loads(capsys.readouterr().out)["recipes"]["rate_max"]


def test_recipes_of_the_package_are_not_taken_over(installed: Path) -> None:
    announce(installed, MODULE, GROUP, f"rate = {MODULE}:rate_max")
    assert entry_named("rate", "rule").function is rate


@pytest.mark.parametrize("name", ["rate_max", "", 3, ["rate"]])
def test_without_the_package_it_is_unknown(name: str) -> None:
    with pytest.raises(ArgumentError, match="Expected a recipe out of rate, "):
        entry_named(name, "rule")


def test_a_broken_package_is_named(installed: Path) -> None:
    (installed / f"{MODULE}.py").write_text("import no_such_module")
    with pytest.raises(ArgumentError, match=rf"recipe '{MODULE}:rate_max'.*no_such_module"):
        entry_named("rate_max", "rule")
    with pytest.raises(ArgumentError, match=r"out of rate, .*rate_max"):
        entry_named("rate_min", "rule")


def test_an_object_of_another_type_is_named(installed: Path) -> None:
    announce(installed, MODULE, GROUP, f"rate_max = {MODULE}:__all__")
    with pytest.raises(ArgumentError, match=rf"recipe '{MODULE}:__all__'.* Found an object of type list"):
        entry_named("rate_max", "rule")


def test_two_packages_with_one_name_are_at_odds(installed: Path) -> None:
    announce(installed, "another", GROUP, "rate_max = another:rate_max")
    with pytest.raises(
        ArgumentError, match=rf"one recipe 'rate_max'\. Found 2, .*'another:rate_max', '{MODULE}:"
    ):
        entry_named("rate_max", "rule")
    assert entry_named("rate", "rule").function is rate
