"""No other file becomes a plan."""

from __future__ import annotations

import copy
import json
import os
import pickle
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
from dqn2snn.errors import CheckpointError
from dqn2snn.plan.file import load_plan, plan_bytes
from dqn2snn.plan.file._write import checksum
from tests.kinds import of_kind

in_one_directory = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None
)


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


@pytest.mark.parametrize("version", [0, 1, 4, "2", None, 1.5, True])
def test_other_versions_are_refused_by_number(version: Any, whole: bytes, tmp_path: Path) -> None:
    header, tensors = parts(whole)
    message = refused(forged(header | {"format_version": version}, tensors), tmp_path / "plan")
    assert f"Expected a plan of format_version 2 or 3. Found {version!r}" in message


def test_layers_that_do_not_follow_each_other_are_refused(whole: bytes, tmp_path: Path) -> None:
    header, tensors = parts(whole)
    layers = header["layers"]
    swapped = {f"{1 - int(name[0])}{name[1:]}": tensor for name, tensor in tensors.items()}
    message = refused(forged(header | {"layers": layers[::-1]}, swapped), tmp_path / "plan")
    assert "does not fit behind" in message
    only = {name: tensor for name, tensor in tensors.items() if name.startswith("0.")}
    assert "no hidden layer" in refused(forged(header | {"layers": layers[:1]}, only), tmp_path / "plan")


@pytest.mark.parametrize(
    ("place", "new"),
    [
        (("coding",), "morse"), (("coding",), "delta"), (("readout",), "guess"),
        (("carry",), 0.3), (("carry",), 2.0), (("warmup_steps",), -1),
        (("layers", 1, "max_spikes"), 2), (("layers", 0, "max_spikes"), 128), (("layers", 0, "max_spikes"), 0),
        (("layers", 0, "signed"), 1), (("layers", 0, "max_count"), 0), (("layers", 0, "max_count"), 10**30),
    ],
)  # fmt: skip
def test_neurons_that_cannot_be_are_refused(
    place: tuple[Any, ...], new: Any, whole: bytes, tmp_path: Path
) -> None:
    header, tensors = parts(whole)
    assert "corrupt" in refused(forged(changed(header, place, new), tensors), tmp_path / "plan")


def test_a_step_bias_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
    raw = dqn2snn.convert(network, torch.rand(64, 4), recipe="tan2021", num_steps=8, grid=None).plan
    header, tensors = parts(plan_bytes(of_kind("step bias", raw)))
    bias = tensors["1.step_bias"]
    for bad in (bias[:7], bias[:, :4], bias[0], bias.double()):
        refused(forged(header, tensors | {"1.step_bias": bad.clone()}), tmp_path / "plan")
    refused(forged(header, tensors | {"0.step_bias": bias.clone()}), tmp_path / "plan")
