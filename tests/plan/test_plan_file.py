"""Plans survive files bit by bit."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import Tensor, nn

import dqn2snn
from dqn2snn.engine import simulate_reference
from dqn2snn.errors import CheckpointError, PlanError
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.file import load_plan, plan_bytes, save_plan
from tests.agents import NAMES, agent, observations, plan
from tests.geometries import plans
from tests.kinds import KINDS, of_kind

in_one_directory = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None
)


def assert_same(found: SpikingPlan, expected: SpikingPlan) -> None:
    """Everything is equal: structure, types, numbers to the last bit."""
    for name in (
        "recipe",
        "reference",
        "num_steps",
        "readout_scale",
        "input_bits",
        "input_shape",
        "layer_names",
        "coding",
        "carry",
        "warmup_steps",
        "readout",
    ):
        assert getattr(found, name) == getattr(expected, name)
    assert found.report == expected.report
    for one, other in zip(found.all_layers, expected.all_layers, strict=True):
        for name in ("reset", "fraction_bits", "weight_bits", "max_spikes", "signed", "max_count"):
            assert getattr(one, name) == getattr(other, name)
        assert (one.step_bias is None) == (other.step_bias is None)
        if one.step_bias is not None and other.step_bias is not None:
            assert torch.equal(one.step_bias, other.step_bias)
        for a, b in (
            (one.affine.weight, other.affine.weight),
            (one.affine.bias, other.affine.bias),
            (one.threshold, other.threshold),
            (one.v_init, other.v_init),
        ):
            assert a.shape == b.shape
            assert a.dtype == torch.float64
            assert torch.equal(a, b)
        assert [type(op) for op in one.affine.ops] == [type(op) for op in other.affine.ops]
        for op, same in zip(one.affine.ops, other.affine.ops, strict=True):
            assert {k: v for k, v in vars(op).items() if k != "weight"} == {
                k: v for k, v in vars(same).items() if k != "weight"
            }


def assert_round_trip(made: SpikingPlan, path: Path) -> SpikingPlan:
    save_plan(made, path)
    again = load_plan(path)
    assert_same(again, made)
    assert path.read_bytes() == plan_bytes(made) == plan_bytes(again)
    return again


@pytest.mark.parametrize("name", NAMES)
def test_plans_of_agents_survive_a_file(name: str, tmp_path: Path) -> None:
    made, seen = plan(name), observations(name)[:4]
    again = assert_round_trip(made, tmp_path / "plan.safetensors")
    one, other = (simulate_reference(each, seen, 64, spikes=True) for each in (made, again))
    assert torch.equal(one.q, other.q)
    assert one.spikes is not None
    assert other.spikes is not None
    assert all(torch.equal(a, b) for a, b in zip(one.spikes, other.spikes, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_half_the_size_of_the_network(name: str) -> None:
    network = sum(4 * parameter.numel() for parameter in agent(name).parameters())
    assert len(plan_bytes(plan(name))) < 0.55 * network + 6000


@given(made=plans())
@in_one_directory
def test_plans_on_the_grid_survive_a_file(made: tuple[SpikingPlan, Tensor], tmp_path: Path) -> None:
    """Thresholds and membranes per channel, both resets, poolings, paddings, groups, bias maps."""
    assert_round_trip(made[0], tmp_path / "plan.safetensors")


@given(made=plans(grid=None))
@in_one_directory
def test_plans_of_raw_floats_survive_a_file(made: tuple[SpikingPlan, Tensor], tmp_path: Path) -> None:
    assert_round_trip(made[0], tmp_path / "plan.safetensors")


def test_bias_maps_paddings_and_grouped_convolutions_survive_a_file(tmp_path: Path) -> None:
    network = nn.Sequential(
        nn.ZeroPad2d((1, 0, 2, 1)),
        nn.Conv2d(2, 4, 3, dilation=2),
        nn.ReLU(),
        nn.BatchNorm2d(4),
        nn.Conv2d(4, 4, 3, padding=1, groups=2),
        nn.ReLU(),
        nn.AvgPool2d(2, padding=1),
        nn.Flatten(),
        nn.LazyLinear(3),
    )
    network(torch.rand(8, 2, 9, 9))
    seen = torch.rand(64, 2, 9, 9)
    made = dqn2snn.convert(network, seen, num_steps=16).plan
    assert made.layers[1].affine.bias.ndim == 3
    assert_round_trip(made, tmp_path / "plan.safetensors")


def test_equal_plans_give_equal_bytes_in_every_process() -> None:
    """No order of a hash table, no time, no path enters a file."""
    code = (
        "import dqn2snn, hashlib; from dqn2snn.plan.file import plan_bytes; from tests.agents import plan;"
        "print(hashlib.sha256(plan_bytes(plan('cartpole'))).hexdigest())"
    )
    other = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONHASHSEED": "12345"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.split()[-1] == hashlib.sha256(plan_bytes(plan("cartpole"))).hexdigest()


def test_tensors_that_share_memory_are_written_each(tmp_path: Path) -> None:
    half = torch.tensor(0.5, dtype=torch.float64)
    made = dqn2snn.convert(agent("cartpole"), observations("cartpole"), grid=None).plan
    layers = tuple(replace(layer, threshold=half, v_init=half) for layer in made.layers)
    assert_round_trip(replace(made, layers=layers), tmp_path / "plan")


def test_a_cast_plan_is_written_with_the_shapes_of_a_plan(tmp_path: Path) -> None:
    made = plan("minatar-breakout")
    affine = made.layers[0]
    channels = replace(affine, threshold=torch.ones(affine.shape[0]).double())
    made = replace(made, layers=(channels, *made.layers[1:]))
    save_plan(made.cast(torch.float32), tmp_path / "plan")
    assert_same(load_plan(tmp_path / "plan"), made)


# Writing


def test_an_existing_file_survives_a_failing_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plan.safetensors"
    save_plan(plan("cartpole"), path)
    before = path.read_bytes()

    def fail(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(CheckpointError, match="No space left on device"):
        save_plan(plan("acrobot"), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["plan.safetensors"]


def test_an_interrupted_write_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_plan(plan("cartpole"), tmp_path / "plan")
    assert os.listdir(tmp_path) == []


def test_a_plan_replaces_a_plan_and_can_be_read_by_others(tmp_path: Path) -> None:
    path = tmp_path / "plan"
    ordinary = tmp_path / "ordinary"
    ordinary.write_bytes(b"")
    for name in ("cartpole", "acrobot"):
        save_plan(plan(name), str(path))
        assert load_plan(str(path)).num_actions == plan(name).num_actions
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)


def test_places_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    for place in ("directory", "missing/plan", "x" * 300):
        with pytest.raises(CheckpointError, match="Expected a file that can be written"):
            save_plan(plan("cartpole"), tmp_path / place)
    assert os.listdir(tmp_path) == ["directory"]


def test_numbers_off_the_grid_are_refused_instead_of_rounded(tmp_path: Path) -> None:
    made = plan("cartpole")
    moved = replace(made.output, threshold=made.output.threshold + 1e-7)
    with pytest.raises(PlanError, match=r"threshold' in torch\.int32 multiples of 2\^-\d+, as the plan says"):
        save_plan(replace(made, output=moved), tmp_path / "plan")
    heavy = made.output.affine.with_parameters(made.output.affine.weight * 2**15, made.output.affine.bias)
    with pytest.raises(PlanError, match=r"weight' in torch\.int16"):
        save_plan(replace(made, output=replace(made.output, affine=heavy)), tmp_path / "plan")
    assert os.listdir(tmp_path) == []


def test_a_report_that_is_no_plain_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="Expected a report of numbers, strings"):
        save_plan(replace(plan("cartpole"), report={"scales": {"0": torch.ones(1)}}), tmp_path / "plan")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("grid", [True, False])
def test_every_kind_of_neuron_survives_a_file(kind: str, grid: bool, tmp_path: Path) -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 2)
    )
    raw = dqn2snn.convert(network, torch.rand(64, 1, 3, 3), recipe="tan2021", num_steps=8, grid=None).plan
    made = of_kind(kind, raw) if grid else KINDS[kind](raw)
    assert_round_trip(made, tmp_path / "plan")
    save_plan(made.cast(torch.float32), tmp_path / "cast")
    if grid:
        assert (tmp_path / "cast").read_bytes() == plan_bytes(made)


def test_a_file_with_its_corrections_in_the_report_loads_with_them_in_its_recipe() -> None:
    """The file was written when `convert` still had an argument for corrections."""
    made = load_plan(Path(__file__).parent / "before_recipe_text.safetensors")
    assert (made.recipe, made.num_steps, made.on_grid) == ("rate_if+potential+ridge", 4, True)
    assert "corrections" not in made.report
    (q,) = dqn2snn.SpikingQNetwork(made)(torch.tensor([[0.1, 0.5, 0.9]]))
    assert q.tolist() == [0.04342043772339821, -0.2908722162246704]
