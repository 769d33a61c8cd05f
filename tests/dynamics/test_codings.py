"""Codings: found by name, held by plans, and known by nobody else."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import dqn2snn
from dqn2snn.errors import PlanError
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.coding import CODINGS, coding_named, coding_names
from dqn2snn.plan.file import load_plan, save_plan
from tests.codings import RECIPES
from tests.plugged import announce

PACKAGE = Path(dqn2snn.__file__).parent
NET = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))

PLUGIN = '''
from dqn2snn.dynamics.codings.rate import RateCoding

class Twice(RateCoding):
    """Rates, read twice as large."""

    name = "twice"

    def decode(self, plan, charge):
        return 2 * super().decode(plan, charge)

CODING = Twice()
'''


def plan_of(name: str) -> SpikingPlan:
    return dqn2snn.convert(NET, torch.rand(64, 4), recipe=RECIPES[name], num_steps=8).plan


@pytest.mark.parametrize("name", CODINGS)
def test_a_coding_is_found_by_its_name_and_survives_a_file(name: str, tmp_path: Path) -> None:
    coding = coding_named(name)
    assert (coding.name, str(coding)) == (name, name)
    made = plan_of(name)
    assert made.coding == coding
    save_plan(made, tmp_path / "plan")
    assert load_plan(tmp_path / "plan").coding == coding


@pytest.mark.parametrize("name", CODINGS)
def test_the_worth_of_spikes_has_a_value_for_every_step(name: str) -> None:
    made = plan_of(name)
    worth = made.coding.worth(made)
    assert worth.shape == (made.settling_steps,)
    assert bool((worth > 0).all())


@pytest.mark.parametrize("name", CODINGS)
def test_what_enters_first_and_later(name: str) -> None:
    current = torch.rand(3, 8)
    first, later = coding_named(name).drive(current, torch.zeros_like(current))
    assert torch.equal(first, current)
    assert torch.equal(later, torch.zeros_like(current) if name in ("delta", "digits") else current)


@pytest.mark.parametrize("name", ["delta", "latency"])
def test_readouts_and_carries_of_other_codings_are_refused(name: str) -> None:
    made = plan_of(name)
    with pytest.raises(PlanError, match=f'readout="rate" in {name} coding'):
        replace(made, readout="slope")
    with pytest.raises(PlanError, match=f"0.5 in {name} coding"):
        replace(made, carry=0.5)


def test_levels_are_needed_where_they_are_told() -> None:
    with pytest.raises(PlanError, match="max_count"):
        replace(plan_of("rate"), coding=coding_named("delta"))


def test_a_coding_of_an_installed_package_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "coding_of_others.py").write_text(PLUGIN, encoding="utf-8")
    announce(tmp_path, "coding_of_others", "dqn2snn.codings", "twice = coding_of_others:CODING")
    monkeypatch.syspath_prepend(tmp_path)
    assert coding_names()[-1] == "twice"
    made = plan_of("rate")
    twice = replace(made, coding=coding_named("twice"))
    save_plan(twice, tmp_path / "plan")
    x = torch.rand(5, 4)
    one, other = (dqn2snn.SpikingQNetwork(p, engine="torch")(x) for p in (made, load_plan(tmp_path / "plan")))
    assert torch.equal(other, 2 * one)


def test_codings_are_told_apart_nowhere_else() -> None:
    compared = re.compile(r"\bcoding(\.name)?$|codings?\b.*CODING|_coding$")
    found = [
        f"{path.name}: {ast.unparse(node)}"
        for path in PACKAGE.rglob("*.py")
        if "codings" not in path.parts
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Compare)
        and any(compared.search(ast.unparse(side)) for side in (node.left, *node.comparators))
    ]
    assert found == []


def test_biases_that_a_level_would_count_at_every_step_are_refused() -> None:
    made = plan_of("delta")
    affine = made.output.affine
    biased = replace(made.output, affine=affine.with_parameters(affine.weight, affine.bias + 1))
    with pytest.raises(PlanError, match="a part of v_init in delta coding"):
        replace(made, output=biased)
