"""Forged and malicious files: each is refused, and nothing in them runs."""

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
from torch import nn

from dqn2snn.errors import CheckpointError
from dqn2snn.io.checkpoints import load_q_network
from tests.io.checkpoints.sb3_zip import sb3_zip
from tests.io.checkpoints.whole import ALL, WHOLE, network, read, refused, same, torch_bytes

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
