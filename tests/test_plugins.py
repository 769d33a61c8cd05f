"""Plug-ins: the example package adds a recipe by its entry point, to Python and to the command line."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import torch

import dqn2snn
from dqn2snn._plugins import plugins
from dqn2snn.benchmark.table.settings import check_recipes
from dqn2snn.cli import main
from dqn2snn.errors import ArgumentError
from dqn2snn.plan_file import plan_bytes
from dqn2snn.recipes import GROUP, RECIPES, recipe_named
from tests import agents

EXAMPLE = Path(__file__).parents[1] / "examples" / "recipe_plugin"
MODULE = "dqn2snn_recipe_plugin"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example package, laid out as pip installs it, with the entry point of its pyproject."""
    site = tmp_path / "site"
    site.mkdir()
    shutil.copy(EXAMPLE / f"{MODULE}.py", site)
    project = (EXAMPLE / "pyproject.toml").read_text()
    group, line = re.findall(r'^\[project\.entry-points\."(.+)"\]\n(.+)$', project, re.MULTILINE)[0]
    information = site / f"{MODULE}-0.1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: dqn2snn-recipe-plugin\nVersion: 0.1.0\n"
    )
    (information / "entry_points.txt").write_text(f"[{group}]\n{line.replace(chr(34), '')}\n")
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    return site


def test_a_package_adds_a_recipe(installed: Path) -> None:
    assert list(plugins(GROUP)) == ["rate_max"]
    network, seen = agents.agent("cartpole").network, agents.observations("cartpole")
    snn = dqn2snn.convert(network, seen, recipe="rate_max", num_steps=16)
    assert not torch.equal(
        snn.plan.layers[0].affine.weight,
        dqn2snn.convert(network, seen, recipe="rate", num_steps=16, corrections=())
        .plan.layers[0]
        .affine.weight,
    )
    again = dqn2snn.convert(network, seen, recipe=recipe_named("rate_max"), num_steps=16)
    assert plan_bytes(again.plan) == plan_bytes(snn.plan)
    check_recipes(("rate_max:num_steps=8+ridge",))


def test_the_command_line_knows_it(
    installed: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ["--recipe", "rate_max", "--steps", "4", "--observations", "100", "--json"]
    assert main(["convert", "cartpole", *arguments, "--output", str(tmp_path / "plan.safetensors")]) == 0
    assert json.loads(capsys.readouterr().out)["num_steps"] == 4
    assert main(["info", "--json"]) == 0
    assert "clip nothing" in json.loads(capsys.readouterr().out)["recipes"]["rate_max"]


def test_recipes_of_the_package_are_not_taken_over(installed: Path) -> None:
    information = next(installed.glob("*.dist-info")) / "entry_points.txt"
    information.write_text(f"[{GROUP}]\nrate = {MODULE}:rate_max\n")
    assert recipe_named("rate") is RECIPES["rate"]


@pytest.mark.parametrize("name", ["rate_max", "", 3, ["rate"]])
def test_without_the_package_it_is_unknown(name: str) -> None:
    with pytest.raises(ArgumentError, match="Expected a recipe out of rate, "):
        recipe_named(name)


def test_a_broken_package_is_named(installed: Path) -> None:
    (installed / f"{MODULE}.py").write_text("import no_such_module")
    with pytest.raises(ArgumentError, match=rf"recipe '{MODULE}:rate_max'.*no_such_module"):
        recipe_named("rate_max")
    with pytest.raises(ArgumentError, match=r"out of rate, .*rate_max"):
        recipe_named("rate_min")
