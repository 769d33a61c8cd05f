"""What is in the wheel and in the source distribution, and what they say of themselves."""

from __future__ import annotations

import email
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import dqn2snn

ROOT = Path(__file__).parent.parent
IGNORED = re.compile(r"__pycache__|_event\.[^/]*so$|/\.")


def build(kind: str, folder: Path) -> Path:
    """A distribution without the compiled extension, which takes its time and adds one file."""
    pytest.importorskip("scikit_build_core")
    code = f"from scikit_build_core.build import {kind}; {kind}({str(folder)!r}, {{'wheel.cmake': 'false'}})"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    (made,) = folder.iterdir()
    return made


def files_under(folder: str) -> set[str]:
    """Paths relative to the root."""
    names = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*") if path.is_file()}
    return {name for name in names if not IGNORED.search(name)}


def test_the_wheel_is_the_package_and_nothing_else(tmp_path: Path) -> None:
    wheel = zipfile.ZipFile(build("build_wheel", tmp_path))
    names = {name for name in wheel.namelist() if not name.endswith("/")}
    packaged = {name for name in names if name.startswith("dqn2snn/")}
    assert packaged == files_under("dqn2snn")
    assert {"dqn2snn/py.typed", "dqn2snn/io/zoo/agents/cartpole/weights.safetensors"} <= packaged
    about = f"dqn2snn-{dqn2snn.__version__}.dist-info"
    rest = {
        f"{about}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    }
    assert names - packaged == rest


def test_the_wheel_says_what_it_is(tmp_path: Path) -> None:
    wheel = zipfile.ZipFile(build("build_wheel", tmp_path))
    about = f"dqn2snn-{dqn2snn.__version__}.dist-info"
    metadata = email.message_from_bytes(wheel.read(f"{about}/METADATA"))
    assert (metadata["Name"], metadata["Version"]) == ("dqn2snn", dqn2snn.__version__)
    assert (metadata["License-Expression"], metadata["License-File"]) == ("MIT", "LICENSE")
    assert metadata["Requires-Python"] == ">=3.10"
    assert {
        "norse",
        "gym",
        "atari",
        "sb3",
        "nir",
        "torchmetrics",
        "plot",
        "video",
        "hub",
        "bench",
        "dask",
        "ray",
        "all",
    } <= {*metadata.get_all("Provides-Extra", [])}
    always = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert {re.split(r"[<>=]", line)[0] for line in always} == {
        "torch",
        "numpy",
        "snntorch",
        "safetensors",
        "tqdm",
    }
    assert b"dqn2snn = dqn2snn.cli:main" in wheel.read(f"{about}/entry_points.txt")
    assert b"Tag: py3-none-any" in wheel.read(f"{about}/WHEEL")


def test_the_source_distribution_builds_tests_and_explains(tmp_path: Path) -> None:
    with tarfile.open(build("build_sdist", tmp_path)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for folder in ("dqn2snn", "cpp", "tests", "examples"):
        assert files_under(folder) <= names
    assert {
        "CMakeLists.txt",
        "Makefile",
        "conftest.py",
        "constraints.txt",
        "docs/index.md",
        "LICENSE",
    } <= names
