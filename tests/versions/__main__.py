"""Install dqn2snn with the oldest and the newest versions that its metadata allows, on every Python, and check each.

    python -m tests.versions
    python -m tests.versions --python 3.10 --column lowest --keep

Each environment is made by uv from what a package index has, holds the wheel, and runs `test_installation.py` in a
process of its own. Results go to docs/results/versions.json, where other environments' results stay as they are.
Without a GPU, `UV_TORCH_BACKEND=cpu` makes downloads much smaller where PyTorch's own index can be reached.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tqdm.auto import tqdm

ROOT = Path(__file__).resolve().parents[2]
CHECKS = Path(__file__).resolve().parent / "test_installation.py"
RESULTS = ROOT / "docs" / "results" / "versions.json"
EXTRAS = "norse,gym,atari,nir"
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
COMPILED = ("numpy", "safetensors", "opencv-python-headless")
COLUMNS = {
    "lowest": ["--resolution", "lowest-direct", *(f"--only-binary={name}" for name in COMPILED)],
    "newest": [],
}
"""What each asks of uv's resolver: the oldest version may be older than the Python, and then has no wheel."""

PACKAGES = ("torch", "snntorch", "norse", "gymnasium", "ale-py", "numpy", "safetensors", "nir")
INSTALLED = f"""
import importlib.metadata, json, pathlib, platform, sys, dqn2snn
assert pathlib.Path(dqn2snn.__file__).is_relative_to(sys.prefix), f"imported from {{dqn2snn.__file__}}"
versions = {{name: importlib.metadata.version(name) for name in {PACKAGES}}}
print(json.dumps({{"python": platform.python_version(), **versions}}))
"""


class CommandError(Exception):
    """A command that should have worked did not; what it printed."""


@dataclass(frozen=True)
class Environment:
    """One cell of the table."""

    python: str
    column: str

    def install(self, folder: Path) -> Path:
        """Make it, and return its interpreter."""
        python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        uv("venv", "--clear", "--python", self.python, str(folder))
        uv("pip", "install", "--python", str(python), "--refresh-package", "dqn2snn", *COLUMNS[self.column],
           f"{ROOT}[{EXTRAS}]", "pytest>=8.2")  # fmt: skip
        return python


def main() -> int:
    """Check the environments that were asked for; 1 if anything failed in one."""
    args = _parser().parse_args()
    stored(args.output)  # a wrong file is told before the work, not after it
    chosen = [Environment(python, column) for python in args.python for column in args.column]
    rows = []
    for environment in (bar := tqdm(chosen, desc="environments", unit="environment")):
        bar.set_postfix_str(f"Python {environment.python}, {environment.column}")
        with folder_of(environment, args.keep) as folder:
            rows.append(checked(environment, folder))
        store(rows[-1], args.output)
    print(json.dumps(rows, indent=1) if args.json else "\n".join(map(line, rows)))
    return int(not all(row["passed"] for row in rows))


def checked(environment: Environment, folder: Path) -> dict[str, Any]:
    """What was installed there, and what each check said; nothing where it could not be installed."""
    versions: dict[str, str] = {}
    checks: dict[str, str] = {}
    try:
        python = environment.install(folder)
        versions = json.loads(ran([str(python), "-c", INSTALLED], folder))
        checks = verdicts(python, folder)
    except CommandError as failed:
        print(failed, file=sys.stderr)
    passed = bool(checks) and "failed" not in checks.values()
    return {**asdict(environment), "passed": passed, "versions": versions, "checks": checks}


def verdicts(python: Path, folder: Path) -> dict[str, str]:
    """The checks by name: "passed", "skipped" or "failed"."""
    report = folder / "report.xml"
    options = ["-q", "-p", "no:cacheprovider", "--noconftest", "-c", os.devnull, "--rootdir", str(folder)]
    options += ["--import-mode=importlib", "--junitxml", str(report)]
    done = run([str(python), "-m", "pytest", *options, str(CHECKS)], folder)
    if done.returncode not in (0, 1):  # 1: some failed
        raise CommandError(done.stdout + done.stderr)
    cases = ElementTree.parse(report).iter("testcase")
    found = {case.attrib["name"]: _verdict(case) for case in cases}
    if "failed" in found.values():
        print(done.stdout, file=sys.stderr)
    return found


def _verdict(case: ElementTree.Element) -> str:
    if any(case.find(kind) is not None for kind in ("failure", "error")):
        return "failed"
    return "passed" if case.find("skipped") is None else "skipped"


def uv(*arguments: str) -> None:
    """Call uv, which lives beside this interpreter."""
    ran([sys.executable, "-m", "uv", *arguments], ROOT)


def ran(command: list[str], folder: Path) -> str:
    """What a command printed that worked."""
    done = run(command, folder)
    if done.returncode:
        raise CommandError(done.stdout + done.stderr)
    return done.stdout


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder; an event engine that does not compile is an error there."""
    settings = {**os.environ, "DQN2SNN_REQUIRE_ENGINE": "1"}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=settings)


@contextmanager
def folder_of(environment: Environment, keep: bool) -> Iterator[Path]:
    """Where an environment lives: below build/ if it is kept, else for as long as it is used."""
    if keep:
        yield ROOT / "build" / "versions" / f"{environment.python}-{environment.column}"
        return
    folder = Path(tempfile.mkdtemp(prefix="dqn2snn-versions-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def store(row: dict[str, Any], path: Path) -> None:
    """Put a row in the place of the one before it, which had the same Python and column."""
    rows = stored(path)
    key = (row["python"], row["column"])
    rows = [other for other in rows if (other["python"], other["column"]) != key] + [row]
    rows.sort(key=lambda other: (PYTHONS.index(other["python"]), list(COLUMNS).index(other["column"])))
    part = path.with_suffix(".part")  # Ctrl-C leaves the file as it was or as it should be
    part.write_text(json.dumps({"extras": EXTRAS, "environments": rows}, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def stored(path: Path) -> list[dict[str, Any]]:
    """The rows of a file, none of a new one; ends the program if it is no such file, or cannot become one."""
    if not path.parent.is_dir():
        raise SystemExit(
            f"Expected a directory to write {path.name} to. Found none at {path.parent}. Make it first."
        )
    if not path.exists():
        return []
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))["environments"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SystemExit(
            f"Expected results of an earlier run. Found {path}, which is none ({error}). Take another --output."
        ) from None


def line(row: dict[str, Any]) -> str:
    """One environment, for people."""
    name = f"Python {row['python']}, {row['column']}"
    if not row["checks"]:
        return f"{name}: not installed, see above"
    counts = [
        f"{list(row['checks'].values()).count(kind)} {kind}" for kind in ("passed", "skipped", "failed")
    ]
    versions = ", ".join(f"{package} {row['versions'][package]}" for package in PACKAGES)
    return f"{name}: {', '.join(counts)} ({versions})"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.versions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--python", nargs="+", default=PYTHONS, choices=PYTHONS, help="(all)", metavar="VERSION"
    )
    parser.add_argument("--column", nargs="+", default=tuple(COLUMNS), choices=tuple(COLUMNS), help="(both)")
    parser.add_argument(
        "--output", type=Path, default=RESULTS, metavar="FILE", help="(docs/results/versions.json)"
    )
    parser.add_argument("--keep", action="store_true", help="keep the environments, in build/versions")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Stopped. Finished environments are kept.")
