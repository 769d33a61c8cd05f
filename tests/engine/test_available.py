"""The compiled extension: chosen for the processor, and where it is missing or broken, nothing else is."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
import torch
from torch import nn

import dqn2snn
from dqn2snn.cli import main
from dqn2snn.engine import available
from dqn2snn.engine.available import event_engine, instruction_set, load_extension, why_not
from dqn2snn.errors import ArgumentError
from dqn2snn.plan.file import save_plan
from tests.engine.compiled import needs_extension

PACKAGE = Path(dqn2snn.__file__).parent
USE = """
import torch, dqn2snn
net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
observations = torch.linspace(0, 1, 256).reshape(64, 4)
snn = dqn2snn.convert(net, observations, num_steps=32)
first = snn(observations)
again = dqn2snn.SpikingQNetwork(snn.plan)
assert torch.equal(first, again.record(observations, engine="torch").q[-1])
assert torch.equal(first, again(observations))
print("decided")
"""


@pytest.fixture
def pure(tmp_path: Path) -> Path:
    """The package as it is installed where it could not be compiled."""
    shutil.copytree(
        PACKAGE, tmp_path / "dqn2snn", ignore=shutil.ignore_patterns("__pycache__", "_event.*.so", "agents")
    )
    return tmp_path


def run_in(folder: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python in which `import dqn2snn` finds the one in the folder, whatever is installed."""
    path = os.pathsep.join([str(folder), *sys.path])
    return subprocess.run(
        [sys.executable, "-S", "-c", code],  # -S: an editable installation would come first
        env={**os.environ, "PYTHONPATH": path, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_there_is_either_an_extension_or_a_reason() -> None:
    assert (
        (why_not() is None) == (available._extension().module is not None) == (instruction_set() is not None)
    )


@needs_extension
def test_the_extension_is_of_this_version_and_loaded_once() -> None:
    module = event_engine()
    assert module is not None
    assert module is event_engine()
    assert module.version == dqn2snn.__version__


@needs_extension
@pytest.mark.parametrize("wish", ["portable", ""])
def test_an_instruction_set_may_be_forced(wish: str) -> None:
    code = "from dqn2snn.engine.available import instruction_set as i; print(i())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "DQN2SNN_ISA": wish},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() in ({wish} if wish else {"portable", "avx2", "avx512"})


@needs_extension
def test_an_unknown_instruction_set_is_refused_with_those_there_are() -> None:
    code = "from dqn2snn.engine.available import why_not; why_not()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "DQN2SNN_ISA": "mmx"},
        capture_output=True,
        text=True,
        check=False,
    )
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"{ArgumentError.__module__}.ArgumentError: Expected")
    assert "(portable" in last
    assert "Found 'mmx'" in last


@needs_extension
def test_the_stub_names_what_the_binary_takes() -> None:
    module = event_engine()
    stub = ast.parse((PACKAGE / "engine" / "_event.pyi").read_text(encoding="utf-8"))
    for kind in (node for node in stub.body if isinstance(node, ast.ClassDef)):
        for function in (node for node in kind.body if isinstance(node, ast.FunctionDef)):
            names = [arg.arg for arg in (*function.args.args, *function.args.kwonlyargs) if arg.arg != "self"]
            signature = getattr(getattr(module, kind.name), function.name).__doc__
            assert re.findall(r"(\w+): ", signature.partition("->")[0])[: len(names)] == names


def test_info_says_which_engine_simulates_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["event_engine"] == {
        "available": why_not() is None,
        "why_not": why_not(),
        "instruction_set": instruction_set(),
        "threads": torch.get_num_threads(),
    }
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    save_plan(dqn2snn.convert(net, torch.rand(64, 4), num_steps=8).plan, tmp_path / "small.safetensors")
    assert main(["info", str(tmp_path / "small.safetensors")]) == 0
    expected = "Engine event: " if why_not() is None else f"Engine torch: {why_not()}"
    assert expected in capsys.readouterr().out


def test_a_file_that_is_no_library_gives_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"broken_event{EXTENSION_SUFFIXES[0]}").write_bytes(b"neither ELF nor Mach-O")
    monkeypatch.syspath_prepend(tmp_path)
    extension = load_extension("broken_event")
    assert extension.module is None
    assert extension.why_not is not None
    assert extension.why_not.startswith("the event engine does not load (")
    assert "install GCC or Clang" in extension.why_not


def test_a_library_of_another_version_gives_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old_event.py").write_text("version = '0.0.1'\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    reason = load_extension("old_event").why_not
    assert reason is not None
    assert reason.startswith(
        f"the event engine was compiled for dqn2snn 0.0.1, not {dqn2snn.__version__}; install"
    )


@pytest.mark.parametrize("binary", [None, b"", b"\x7fELF truncated"])
def test_without_the_extension_torch_serves_with_one_warning(pure: Path, binary: bytes | None) -> None:
    if binary is not None:
        (pure / "dqn2snn" / "engine" / f"_event{EXTENSION_SUFFIXES[0]}").write_bytes(binary)
    done = run_in(pure, USE)
    assert done.stdout == "decided\n"
    assert done.stderr.count("RuntimeWarning: dqn2snn simulates with torch, which is slower: ") == 1
    assert ("was not compiled" if binary is None else "does not load") in done.stderr


def test_to_ask_for_the_missing_extension_is_an_error_and_to_look_at_it_is_not(pure: Path) -> None:
    asking = USE.replace("num_steps=32)", "num_steps=32)\nsnn.record(observations, engine='event')")
    done = run_in(pure, asking, PYTHONWARNINGS="error::RuntimeWarning")
    assert "ArgumentError: Expected a plan that engine=" in done.stderr
    assert "the event engine was not compiled" in done.stderr
    (pure / "dqn2snn" / "io" / "zoo" / "agents").mkdir()
    looking = "from dqn2snn.cli import main; main(['info', '--json'])"
    done = run_in(pure, looking, PYTHONWARNINGS="error::RuntimeWarning")
    assert done.stderr == ""
    told = json.loads(done.stdout)["event_engine"]
    assert (told["available"], told["instruction_set"]) == (False, None)
    assert told["why_not"].startswith("the event engine was not compiled; install GCC or Clang")
