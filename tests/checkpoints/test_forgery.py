"""Damaged, forged and malicious files: each is refused, or is the checkpoint that it was; and nothing in them runs."""

from __future__ import annotations

import io
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from dqn2snn.checkpoints import Checkpoint, load_q_network
from dqn2snn.errors import CheckpointError
from tests.checkpoints.sb3_zip import sb3_zip

in_one_directory = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None
)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 2))


def torch_bytes(content: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def with_prefix(prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in network().state_dict().items()}


WHOLE: dict[str, bytes] = {
    "dqn.zip": sb3_zip(network()),
    "dqn.pt": torch_bytes(network().state_dict()),
    "dqn.cleanrl_model": torch_bytes(
        {"model_weights": with_prefix("network."), "args": {"env_id": "Cart-v1"}}
    ),
    "policy.pth": torch_bytes(with_prefix("model.model.model.")),
}
"""With checksums in the container."""

ALL = WHOLE | {"dqn.safetensors": safetensors.torch.save(network().state_dict())}


def read(content: bytes, name: str, directory: Path) -> Checkpoint:
    (directory / name).write_bytes(content)
    return load_q_network(directory / name)


def refused(content: bytes, name: str, directory: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        read(content, name, directory)
    message = str(caught.value)
    assert message.startswith(f"{directory / name}: Expected ")
    return message


def same(checkpoint: Checkpoint) -> bool:
    expected, found = network().state_dict(), checkpoint.network.state_dict()
    return all(torch.equal(a, b) for a, b in zip(expected.values(), found.values(), strict=True))


@pytest.mark.parametrize("name", list(ALL))
def test_the_whole_files_load(name: str, tmp_path: Path) -> None:
    assert same(read(ALL[name], name, tmp_path))


# Corruption


@pytest.mark.parametrize("name", list(ALL))
def test_truncated_files_are_refused(name: str, tmp_path: Path) -> None:
    for length in range(0, len(ALL[name]), 7):
        refused(ALL[name][:length], name, tmp_path)


@pytest.mark.parametrize("name", list(WHOLE))
def test_a_flipped_bit_never_gives_another_network(name: str, tmp_path: Path) -> None:
    for position in range(0, len(WHOLE[name]), 11):
        damaged = bytearray(WHOLE[name])
        damaged[position] ^= 1 << position % 8
        try:
            found = read(bytes(damaged), name, tmp_path)
        except CheckpointError:
            continue
        assert same(found)


@pytest.mark.parametrize("name", list(WHOLE))
@given(data=st.data())
@in_one_directory
def test_damaged_bytes_never_give_another_network(name: str, data: st.DataObject, tmp_path: Path) -> None:
    whole, damaged = WHOLE[name], bytearray(WHOLE[name])
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(whole) - 1))
        new = data.draw(st.binary(min_size=1, max_size=8))
        damaged[start : start + data.draw(st.integers(0, 8))] = new
    try:
        found = read(bytes(damaged), name, tmp_path)
    except CheckpointError:
        return
    assert same(found)


@given(data=st.data())
@in_one_directory
def test_safetensors_has_no_checksum_but_its_structure_is_checked(
    data: st.DataObject, tmp_path: Path
) -> None:
    """What is damaged in its header is refused, or renames layers; a network that comes of it is whole and finite."""
    whole = ALL["dqn.safetensors"]
    damaged = bytearray(whole)
    damaged[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = read(bytes(damaged), "dqn.safetensors", tmp_path)
    except CheckpointError:
        return
    assert found.observation_shape is not None
    assert found.network(torch.zeros(1, *found.observation_shape)).isfinite().all()


@given(
    content=st.binary(max_size=64),
    head=st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02", b"\x08\0\0\0\0\0\0\0{"]),
)
@in_one_directory
def test_other_bytes_are_refused(head: bytes, content: bytes, tmp_path: Path) -> None:
    refused(head + content, "dqn.pt", tmp_path)


@pytest.mark.parametrize("name", list(ALL))
@pytest.mark.parametrize("ending", [".zip", ".pt", ".safetensors", ".cleanrl_model", ".txt", ""])
def test_renamed_files_are_what_they_are(name: str, ending: str, tmp_path: Path) -> None:
    assert same(read(ALL[name], f"renamed{ending}", tmp_path))


# Pickles


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def replaced(whole: bytes, member: str, content: bytes) -> bytes:
    """An archive with another member of that name."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            new.writestr(name, content if name == member else old.read(name))
    return file.getvalue()


def pickle_inside(content: bytes) -> bytes:
    return replaced(WHOLE["dqn.pt"], "archive/data.pkl", content)


@pytest.mark.parametrize("protocol", range(6))
def test_a_malicious_pickle_is_refused_in_every_container_and_nothing_runs(
    protocol: int, tmp_path: Path
) -> None:
    bomb = pickle.dumps({"0.weight": Bomb(tmp_path / "exploded")}, protocol=protocol)
    inner = pickle_inside(bomb)
    outer = replaced(WHOLE["dqn.zip"], "policy.pth", inner)
    for name, content in {
        "a.pt": inner,
        "a.pth": bomb,
        "a.cleanrl_model": inner,
        "a.zip": outer,
        "b.zip": bomb,
    }.items():
        refused(content, name, tmp_path)
    for member in ("pytorch_variables.pth", "policy.optimizer.pth"):
        assert same(read(replaced(WHOLE["dqn.zip"], member, bomb), "c.zip", tmp_path))  # it is not opened
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02cposix\nsystem\nX\x02\0\0\0ls\x85R.",
        b"\x80\x02\x8c\x05posix\x8c\x06system\x93\x8c\x02ls\x85R.",
        b"(S'ls'\niposix\nsystem\n.",
        b"(cposix\nsystem\nS'ls'\no.",
        b"\x80\x02\x82\x01.",
        b"\x80\x02cbuiltins\nbytearray\n\x8a\x06\0\0\0\0\0\x01\x85R.",
        b"\x80\x02ctorch\nload\nX\x01\0\0\0x\x85R.",
        b"\x80\x02ccollections\nCounter\n)R.",
    ],
)  # fmt: skip
def test_pickles_that_name_a_function_are_refused_by_its_name(content: bytes, tmp_path: Path) -> None:
    message = refused(pickle_inside(content), "dqn.pt", tmp_path)
    assert "Found a pickle that names " in message
    assert "not run" in " ".join(message.split())


@pytest.mark.parametrize(
    "content",
    [
        b"", b".", b"\x80\x02.", b"\x80\x02N.", b"\x80\x02]q\0.", b"\x80\x02}q\0h\x09.", b"\x80\xff.", b"(" * 999,
        b"\x80\x02K\x01Q.", b"\x80\x02ccollections\nOrderedDict\nK\x01\x85R.",
        b"\x80\x02ccollections\nOrderedDict\n)Rq\0h\0h\0s.",
    ],
)  # fmt: skip
def test_pickles_that_make_no_sense_are_refused(content: bytes, tmp_path: Path) -> None:
    refused(pickle_inside(content), "dqn.pt", tmp_path)


@pytest.mark.parametrize("protocol", [0, 1, 3, 4, 5])
def test_other_protocols_of_pickle_are_refused(protocol: int, tmp_path: Path) -> None:
    file = io.BytesIO()
    torch.save(network().state_dict(), file, pickle_protocol=protocol)
    refused(file.getvalue(), "dqn.pt", tmp_path)


def test_a_module_that_was_saved_whole_is_refused_with_what_to_save(tmp_path: Path) -> None:
    assert "state_dict() instead" in refused(torch_bytes(network()), "model.pt", tmp_path)


def test_files_of_torch_before_1_6_are_refused_as_pickles(tmp_path: Path) -> None:
    file = io.BytesIO()
    torch.save(network().state_dict(), file, _use_new_zipfile_serialization=False)
    assert "bare pickle, as torch before 1.6" in refused(file.getvalue(), "old.pth", tmp_path)


# Zips


def zip_of(members: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize("path", ["../../evil", "/etc/evil", "a/../../evil", "..\\evil", "C:evil"])
@pytest.mark.parametrize("name", ["dqn.zip", "dqn.pt"])
def test_names_that_lead_out_of_the_archive_are_refused(name: str, path: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(WHOLE[name])) as archive:
        members = [(member, archive.read(member)) for member in archive.namelist()]
    assert "leads out of it" in refused(zip_of([*members, (path, b"x")]), name, tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [name]


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize(("name", "member"), [("dqn.zip", "policy.pth"), ("dqn.pt", "archive/data.pkl")])
def test_a_name_that_is_there_twice_is_refused(name: str, member: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(WHOLE[name])) as archive:
        members = [(each, archive.read(each)) for each in archive.namelist()]
    doubled = zip_of([*members, (member, dict(members)[member])])
    assert f"Found {member!r} twice" in refused(doubled, name, tmp_path)


@pytest.mark.parametrize("member", ["policy.pth", "data"])
def test_members_that_unpack_to_too_much_are_refused_before_they_do(member: str, tmp_path: Path) -> None:
    members = {"policy.pth": WHOLE["dqn.pt"], "data": b"{}"} | {member: b"\0" * 2**26}
    content = zip_of(list(members.items()), zipfile.ZIP_DEFLATED)
    assert len(content) < 2**18
    assert "times the packed size" in refused(content, "bomb.zip", tmp_path)


@pytest.mark.parametrize("name", list(WHOLE))
def test_an_archive_behind_other_bytes_is_refused(name: str, tmp_path: Path) -> None:
    refused(b"PK\x03\x04 and more" + WHOLE[name], name, tmp_path)


def test_a_size_that_is_a_lie_is_refused(tmp_path: Path) -> None:
    """The directory of the archive says that a member has four gigabytes."""
    content = WHOLE["dqn.zip"]
    entry = content.index(b"PK\x01\x02")
    forged = content[: entry + 24] + struct.pack("<I", 2**32 - 2) + content[entry + 28 :]
    assert same_or_refused(forged, "dqn.zip", tmp_path)


def same_or_refused(content: bytes, name: str, directory: Path) -> bool:
    try:
        return same(read(content, name, directory))
    except CheckpointError:
        return True


@pytest.mark.parametrize("version", [b"", b"0\n", b"99999\n", b"three\n", b"-1\n"])
def test_files_of_another_version_of_torch_are_refused(version: bytes, tmp_path: Path) -> None:
    message = refused(replaced(WHOLE["dqn.pt"], "archive/version", version), "dqn.pt", tmp_path)
    assert "torch" in message


def test_a_zip_of_stable_baselines_2_is_refused(tmp_path: Path) -> None:
    content = zip_of([("data", b"{}"), ("parameters", b"\x93NUMPY"), ("parameter_list", b"[]")])
    assert "Expected a zip of Stable-Baselines3" in refused(content, "old.zip", tmp_path)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"null", b"{", b"[" * 100_000, b"\xff\xfe", b'{"observation_space": 1}']
)
def test_data_that_is_no_json_of_a_model_is_refused(data: bytes, tmp_path: Path) -> None:
    refused(replaced(WHOLE["dqn.zip"], "data", data), "dqn.zip", tmp_path)


# Tensors


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["dqn.pt", "dqn.safetensors", "dqn.zip"])
def test_weights_that_are_not_finite_are_refused(name: str, value: float, tmp_path: Path) -> None:
    broken = network()
    with torch.no_grad():
        broken[2].bias[1] = value
    save: dict[str, Callable[[nn.Sequential], bytes]] = {
        "dqn.pt": lambda x: torch_bytes(x.state_dict()),
        "dqn.safetensors": lambda x: safetensors.torch.save(x.state_dict()),
        "dqn.zip": sb3_zip,
    }
    assert "Found NaN or infinity in '" in refused(save[name](broken), name, tmp_path)


def test_a_shape_that_is_larger_than_its_storage_is_refused(tmp_path: Path) -> None:
    weights = network().state_dict() | {"0.weight": torch.ones(1).expand(2**40, 2**20)}
    assert "as large as their shapes" in refused(torch_bytes(weights), "huge.pt", tmp_path)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.ones(6, 3).to_sparse(), torch.ones(6, 3, dtype=torch.complex64), torch.ones(6, 3, device="meta"),
    ],
    ids=["sparse", "complex", "meta"],
)  # fmt: skip
def test_exotic_tensors_are_refused(tensor: Any, tmp_path: Path) -> None:
    refused(torch_bytes(dict(network().state_dict()) | {"0.weight": tensor}), "exotic.pt", tmp_path)


@pytest.mark.parametrize("old", [b"K\x06", b"K\x03", b"K\x12", b"K\x02"])
@pytest.mark.parametrize(
    "new",
    [
        b"K\x07",
        b"K\xff",
        b"M\xff\xff",
        b"J\xff\xff\xff\x7f",
        b"\x8a\x05\0\0\0\0\x10",
        b"K\0",
        b"J\xff\xff\xff\xff",
    ],
)
def test_sizes_that_were_forged_in_the_pickle_are_refused(old: bytes, new: bytes, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(WHOLE["dqn.pt"])) as archive:
        content = archive.read("archive/data.pkl")
    assert old in content
    (tmp_path / "forged.pt").write_bytes(pickle_inside(content.replace(old, new)))
    with pytest.raises(CheckpointError):
        load_q_network(tmp_path / "forged.pt")


@pytest.mark.parametrize("shape", [[2**40, 2**20], [2**62], [-1], [6, 3, 2**30], [2**63]])
def test_shapes_that_were_forged_in_safetensors_are_refused(shape: list[int], tmp_path: Path) -> None:
    whole = ALL["dqn.safetensors"]
    length = int.from_bytes(whole[:8], "little")
    header = whole[8 : 8 + length].replace(b"[6,3]", str(shape).replace(" ", "").encode())
    forged = len(header).to_bytes(8, "little") + header + whole[8 + length :]
    refused(forged, "forged.safetensors", tmp_path)


def test_streams_that_would_make_a_huge_layer_are_refused(tmp_path: Path) -> None:
    """Outputs times inputs of two thin layers."""
    thin = {
        "features.0": (1, 4),
        "value.0": (2**15, 1),
        "value.2": (1, 2**15),
        "advantage.0": (2**15, 1),
        "advantage.2": (2**15, 2**3),
    }
    state = {f"{name}.weight": torch.zeros(shape) for name, shape in thin.items()}
    assert "Expected" in refused(torch_bytes(state), "dueling.pt", tmp_path)


def test_refusing_takes_neither_memory_nor_time(tmp_path: Path) -> None:
    """A process with little memory to spare reads every hostile file of this module's kinds."""
    weights = network().state_dict() | {"0.weight": torch.ones(1).expand(2**40, 2**20)}
    deflated = zip_of([("policy.pth", b"\0" * 2**27), ("data", b"{}")], zipfile.ZIP_DEFLATED)
    files = {
        "expanded.pt": torch_bytes(weights),
        "bytearray.pt": pickle_inside(b"\x80\x02cbuiltins\nbytearray\n\x8a\x06\0\0\0\0\0\x01\x85R."),
        "bomb.zip": deflated,
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    code = """
import resource, sys
from dqn2snn import errors, load_q_network
load_q_network("cartpole")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        load_q_network(path)
        print("loaded", path)
    except errors.CheckpointError:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    argv = [sys.executable, "-c", code, *(str(tmp_path / name) for name in files)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert int(done.stdout) < 100_000, done.stdout + done.stderr  # kilobytes
