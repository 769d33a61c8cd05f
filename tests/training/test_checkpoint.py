"""Checkpoints that are killed, cut short, or changed by a bit."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import safetensors.torch
import torch

pytest.importorskip("ale_py", reason="the Atari trainer needs the extra atari")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atari.checkpoint import read_tensors, replace, write_tensors
from dqn2snn.errors import CheckpointError

EXAMPLES = Path(__file__).parents[2] / "examples"
WRITER = """
import sys
from pathlib import Path
import torch
from atari.checkpoint import write_tensors
for number in range(int(sys.argv[2]), 10**9):
    write_tensors(Path(sys.argv[1]), {"x": torch.full((3_000_000,), float(number))}, {"number": number})
    print(number, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that nobody can catch")
def test_a_writer_that_is_killed_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    """The number in the header is that of every element, and never less than the last one reported."""
    path, wait = tmp_path / "training.safetensors", random.Random(0)
    number = 0
    for _ in range(4):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(number)],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(EXAMPLES)},
        )
        assert writer.stdout
        writer.stdout.readline()  # it has begun
        time.sleep(wait.uniform(0.0, 0.2))
        os.kill(writer.pid, signal.SIGKILL)
        reported = writer.communicate()[0].split()
        tensors, state = read_tensors(path)
        assert tensors["x"].eq(state["number"]).all()
        assert state["number"] >= int(reported[-1] if reported else number)
        number = state["number"] + 1
    assert number > 4
    write_tensors(path, {}, {"number": 0})  # what a kill has left beside is in nobody's way
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


CUT = """
import resource, signal, sys
from pathlib import Path
import torch
from atari.checkpoint import read_tensors, write_tensors
path, whole = Path(sys.argv[1]), resource.getrlimit(resource.RLIMIT_FSIZE)
for size in (0, 1, 1_000, 400_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, whole[1]))
    try:
        write_tensors(path, {"x": torch.ones(100_000)}, {"number": 1})
    except OSError:
        resource.setrlimit(resource.RLIMIT_FSIZE, whole)
    tensors, state = read_tensors(path)
    assert tensors["x"].eq(0).all() and state == {"number": 0}
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, whole[1]))
write_tensors(path, {"x": torch.ones(100_000)}, {"number": 1})
"""


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="needs limits of the size of files")
def test_a_write_that_is_cut_at_a_byte_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    """As on a full disk; at last the kernel ends the process in the midst of the write."""
    path = tmp_path / "training.safetensors"
    write_tensors(path, {"x": torch.zeros(100_000)}, {"number": 0})
    done = subprocess.run(
        [sys.executable, "-c", CUT, str(path)],
        env=os.environ | {"PYTHONPATH": str(EXAMPLES)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGXFSZ, done.stderr
    assert path.with_name(path.name + ".partial").stat().st_size == 200_000
    tensors, state = read_tensors(path)
    assert tensors["x"].eq(0).all()
    assert state == {"number": 0}


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "training.safetensors"
    write_tensors(path, {"x": torch.ones(3)}, {"step": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_tensors(path, {"x": torch.ones(3)}, {"step": float("nan")})
    assert read_tensors(path)[1] == {"step": 1}
    (tmp_path / "training.safetensors.partial").mkdir()
    with pytest.raises(IsADirectoryError):
        replace(path, b"new")
    assert read_tensors(path)[1] == {"step": 1}


TENSORS = {"a": torch.arange(20.0), "step": torch.tensor(3.0), "f": torch.ones(2, 3).half()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "training.safetensors"
    write_tensors(path, TENSORS, {"step": 3, "scores": [1.5]})
    tensors, state = read_tensors(path)
    assert state == {"step": 3, "scores": [1.5]}
    assert all(torch.equal(tensors[name], tensor) for name, tensor in TENSORS.items())
    return path.read_bytes()


in_one_directory = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)


@given(data=st.data())
@in_one_directory
def test_a_truncated_checkpoint_is_refused(whole: bytes, tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "training.safetensors"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(CheckpointError, match=r"training\.safetensors: Expected a whole checkpoint"):
        read_tensors(path)


@given(data=st.data())
@in_one_directory
def test_a_flipped_bit_is_found_or_changes_nothing(whole: bytes, tmp_path: Path, data: st.DataObject) -> None:
    path, damaged = tmp_path / "training.safetensors", bytearray(whole)
    damaged[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(damaged)
    with contextlib.suppress(CheckpointError):
        tensors, state = read_tensors(path)
        assert (state, tensors.keys()) == ({"step": 3, "scores": [1.5]}, TENSORS.keys())
        assert all(torch.equal(tensors[name], tensor) for name, tensor in TENSORS.items())


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "training.safetensors"
    with pytest.raises(CheckpointError, match="No such file"):
        read_tensors(path)
    for content in (b"", b"PK\x03\x04", safetensors.torch.save({"x": torch.ones(2)})):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="Found another file or a damaged one"):
            read_tensors(path)
    torch.save({"x": torch.ones(2)}, path)
    with pytest.raises(CheckpointError, match="Found another file or a damaged one"):
        read_tensors(path)


def test_a_file_that_is_replaced_while_it_is_read_is_one_or_the_other(tmp_path: Path) -> None:
    path = tmp_path / "training.safetensors"
    command = [sys.executable, "-c", WRITER.replace("3_000_000", "1_000"), str(path), "0"]
    environment = os.environ | {"PYTHONPATH": str(EXAMPLES)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as writer:
        deadline = time.monotonic() + 60
        while not path.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for _ in range(1000):
            tensors, state = read_tensors(path)
            assert (tensors["x"] == state["number"]).all()
        writer.kill()
