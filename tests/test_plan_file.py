"""Plans survive files bit by bit, and no other file becomes a plan."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import pickle
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import dqn2snn
from dqn2snn.engine import simulate_reference
from dqn2snn.errors import CheckpointError, PlanError
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan_file import load_plan, plan_bytes, save_plan
from dqn2snn.plan_file._write import checksum
from tests.agents import NAMES, agent, observations, plan
from tests.geometries import plans

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
    ):
        assert getattr(found, name) == getattr(expected, name)
    assert found.report == expected.report
    for one, other in zip(found.all_layers, expected.all_layers, strict=True):
        assert (one.reset, one.fraction_bits, one.weight_bits) == (
            other.reset,
            other.fraction_bits,
            other.weight_bits,
        )
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
    network = sum(4 * parameter.numel() for parameter in agent(name).network.parameters())
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
        "import dqn2snn, hashlib; from dqn2snn.plan_file import plan_bytes; from tests.agents import plan;"
        "print(hashlib.sha256(plan_bytes(plan('cartpole'))).hexdigest())"
    )
    other = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONHASHSEED": "12345"},
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.split()[-1] == hashlib.sha256(plan_bytes(plan("cartpole"))).hexdigest()


def test_tensors_that_share_memory_are_written_each(tmp_path: Path) -> None:
    half = torch.tensor(0.5, dtype=torch.float64)
    made = dqn2snn.convert(agent("cartpole").network, observations("cartpole"), grid=None).plan
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


# Files that are no plans


def refused(content: bytes, path: Path) -> str:
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        load_plan(path)
    message = str(caught.value)
    assert str(path) in message
    assert message.startswith("Expected ")
    return message


def test_missing_files_and_directories_are_refused(tmp_path: Path) -> None:
    for place in (tmp_path / "missing", tmp_path, "bad\0name"):
        with pytest.raises(CheckpointError, match="Found no readable file"):
            load_plan(place)


class Bomb:
    """Unpickling it would run code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (1,)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"\xff" * 64,
        b"not a plan at all, but text of some length",
        (2**63 - 1).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        pickle.dumps(Bomb()),
        safetensors.torch.save({"weight": torch.ones(3)}),
        safetensors.torch.save({"weight": torch.ones(3)}, metadata={"format": "pt"}),
        safetensors.torch.save({}, metadata={"dqn2snn": "{"}),
        safetensors.torch.save({}, metadata={"dqn2snn": "[1]"}),
        safetensors.torch.save({}, metadata={"dqn2snn": "null"}),
        safetensors.torch.save({}, metadata={"dqn2snn": "[" * 100_000}),
        safetensors.torch.save({}, metadata={"dqn2snn": '{"format_version": 1}'}),
        safetensors.torch.save({}, metadata={"dqn2snn": '{"format_version": 1, "sha256": 3}'}),
    ],
    ids=range(16),
)
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    refused(content, tmp_path / "plan")


def test_a_torch_checkpoint_is_refused_without_being_unpickled(tmp_path: Path) -> None:
    torch.save({"bomb": Bomb()}, tmp_path / "checkpoint.pt")
    with pytest.raises(CheckpointError, match="truncated or another"):
        load_plan(tmp_path / "checkpoint.pt")


@pytest.fixture(scope="module")
def whole() -> bytes:
    """The file of a small plan with a convolution, a pooling, a padding and a reshape."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.ZeroPad2d(1), nn.Conv2d(1, 2, 2), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8, 3)
    )
    return plan_bytes(dqn2snn.convert(network, torch.rand(64, 1, 3, 3), num_steps=8).plan)


@given(data=st.data())
@settings(in_one_directory, max_examples=100)
def test_truncated_files_are_refused(data: st.DataObject, whole: bytes, tmp_path: Path) -> None:
    refused(whole[: data.draw(st.integers(0, len(whole) - 1))], tmp_path / "plan")


@given(data=st.data())
@settings(in_one_directory, max_examples=100)
def test_longer_files_are_refused(data: st.DataObject, whole: bytes, tmp_path: Path) -> None:
    cut = data.draw(st.integers(0, len(whole)))
    refused(whole[:cut] + data.draw(st.binary(min_size=1, max_size=20)) + whole[cut:], tmp_path / "plan")


@given(data=st.data())
@settings(in_one_directory, max_examples=300)
def test_damaged_bytes_never_give_another_plan(data: st.DataObject, whole: bytes, tmp_path: Path) -> None:
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path / "plan"
    path.write_bytes(bytes(damaged))
    try:
        found = load_plan(path)
    except CheckpointError:
        return
    assert plan_bytes(found) == whole


def test_every_single_byte_counts(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "plan"
    for position in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[position] ^= 1
        path.write_bytes(bytes(damaged))
        try:
            found = load_plan(path)
        except CheckpointError:
            continue
        assert plan_bytes(found) == whole


# Files that were changed by somebody who knows how


def parts(content: bytes) -> tuple[dict[str, Any], dict[str, Tensor]]:
    length = int.from_bytes(content[:8], "little")
    header = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["dqn2snn"])
    return header, safetensors.torch.load(content)


def forged(header: dict[str, Any], tensors: dict[str, Tensor]) -> bytes:
    """A file with the right checksum."""
    header = copy.deepcopy(header)
    header.pop("sha256", None)
    header["sha256"] = checksum(header, tensors)
    return safetensors.torch.save(tensors, metadata={"dqn2snn": json.dumps(header)})


def test_the_forgery_itself_is_a_plan(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "plan"
    path.write_bytes(forged(*parts(whole)))
    assert plan_bytes(load_plan(path)) == whole


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of everything in a nested structure."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copied = value.copy()
    copied[path[0]] = changed(value[path[0]], path[1:], new)
    return copied


NONSENSE = [
    None, True, False, 0, -1, 1, 3, 2**31, 2**62, -(2**62), 10**30, 0.5, float("nan"), float("inf"), "", "conv", "8",
    [], [0], [-1], [1, 1], [10**9, 10**9], [2**62, 2**62, 2**62], [[1]], ["1"], {}, {"kind": "dense"},
]  # fmt: skip


@given(data=st.data())
@settings(in_one_directory, max_examples=400)
def test_nonsense_in_the_structure_is_refused_or_fits(
    data: st.DataObject, whole: bytes, tmp_path: Path
) -> None:
    """Some values are another plan: another stride that gives the same shape, say. Such a plan runs."""
    header, tensors = parts(whole)
    place = data.draw(st.sampled_from([place for place in places(header) if place and place != ("sha256",)]))
    changed_header = changed(header, place, data.draw(st.sampled_from(NONSENSE)))
    path = tmp_path / "plan"
    path.write_bytes(forged(changed_header, tensors))
    try:
        found = load_plan(path)
    except CheckpointError:
        return
    again, _ = parts(plan_bytes(found))
    assert json.dumps(again | {"sha256": ""}, sort_keys=True) == json.dumps(
        changed_header | {"sha256": ""}, sort_keys=True
    )
    assert found.summary()
    assert simulate_reference(found, torch.rand(2, *found.input_shape), 2).q.shape == (
        2,
        2,
        found.num_actions,
    )


@given(data=st.data())
@settings(in_one_directory, max_examples=100)
def test_missing_and_renamed_keys_are_refused(data: st.DataObject, whole: bytes, tmp_path: Path) -> None:
    header, tensors = parts(whole)
    keyed = [
        p for p in places(header) if p and isinstance(p[-1], str) and "report" not in p and p != ("sha256",)
    ]
    place = data.draw(st.sampled_from(keyed))
    inner = dict(value_at(header, place[:-1]))
    value = inner.pop(place[-1])
    if data.draw(st.booleans()):
        inner[place[-1] + "s"] = value
    path = tmp_path / "plan"
    path.write_bytes(forged(changed(header, place[:-1], inner), tensors))
    try:
        found = load_plan(path)
    except CheckpointError:
        return
    assert plan_bytes(found) == whole  # an option of an operation that has its default, left out


def value_at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


@given(data=st.data())
@settings(in_one_directory, max_examples=150)
def test_tensors_of_another_shape_dtype_or_name_are_refused(
    data: st.DataObject, whole: bytes, tmp_path: Path
) -> None:
    header, tensors = parts(whole)
    name = data.draw(st.sampled_from(sorted(tensors)))
    tensor = tensors[name]
    kind = data.draw(
        st.sampled_from(["missing", "renamed", "extra", "longer", "unsqueezed", "empty", "dtype"])
    )
    if kind in ("missing", "renamed"):
        del tensors[name]
    if kind in ("renamed", "extra"):
        tensors[name + "_"] = tensor.clone()
    if kind == "longer":
        tensors[name] = torch.cat([tensor.reshape(-1)] * 5)
    if kind == "unsqueezed":
        tensors[name] = tensor[None, None]
    if kind == "empty":
        tensors[name] = tensor.reshape(-1)[:0].clone()
    if kind == "dtype":
        other = data.draw(
            st.sampled_from([torch.float32, torch.float64, torch.int64, torch.bool, torch.complex64])
        )
        tensors[name] = tensor.to(other)
    refused(forged(header, tensors), tmp_path / "plan")


@pytest.mark.parametrize("bad", [0, -1])
def test_thresholds_that_are_not_positive_are_refused(bad: int, whole: bytes, tmp_path: Path) -> None:
    header, tensors = parts(whole)
    tensors["0.threshold"] = torch.full_like(tensors["0.threshold"], bad)
    assert "not positive" in refused(forged(header, tensors), tmp_path / "plan")


def test_raw_floats_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    header, tensors = parts(
        plan_bytes(dqn2snn.convert(network, torch.rand(64, 4), num_steps=8, grid=None).plan)
    )
    for name in tensors:
        bad = tensors | {name: tensors[name].clone().fill_(float("nan"))}
        assert f"NaN or infinity in {name}" in refused(forged(header, bad), tmp_path / "plan")


@pytest.mark.parametrize("version", [0, 2, "1", None, 1.5, True])
def test_other_versions_are_refused_by_number(version: Any, whole: bytes, tmp_path: Path) -> None:
    header, tensors = parts(whole)
    message = refused(forged(header | {"format_version": version}, tensors), tmp_path / "plan")
    assert f"Expected a plan of format_version 1. Found {version!r}" in message


def test_layers_that_do_not_follow_each_other_are_refused(whole: bytes, tmp_path: Path) -> None:
    header, tensors = parts(whole)
    layers = header["layers"]
    swapped = {f"{1 - int(name[0])}{name[1:]}": tensor for name, tensor in tensors.items()}
    message = refused(forged(header | {"layers": layers[::-1]}, swapped), tmp_path / "plan")
    assert "does not fit behind" in message
    only = {name: tensor for name, tensor in tensors.items() if name.startswith("0.")}
    assert "no hidden layer" in refused(forged(header | {"layers": layers[:1]}, only), tmp_path / "plan")
