"""Example packages, laid out as pip installs them."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def plugged(example: str, site: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put an example package, with the entry point of its pyproject, on the path.

    Args:
        example: Its folder.
        site: A new folder that stands for site-packages.
        monkeypatch: Takes it off the path again.

    Returns:
        Path: The site.
    """
    site.mkdir()
    module = f"dqn2snn_{example}"
    shutil.copy(EXAMPLES / example / f"{module}.py", site)
    project = (EXAMPLES / example / "pyproject.toml").read_text()
    group, line = re.findall(r'^\[project\.entry-points\."(.+)"\]\n(.+)$', project, re.MULTILINE)[0]
    announce(site, module, group, line.replace('"', ""))
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, module, raising=False)
    return site


def announce(site: Path, package: str, group: str, line: str) -> None:
    """Write what pip writes about a package with one entry point.

    Args:
        site: Where packages are.
        package: Its name.
        group: Of the entry point.
        line: `name = module:object`.
    """
    information = site / f"{package}-0.1.0.dist-info"
    information.mkdir(exist_ok=True)
    name = package.replace("_", "-")
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    (information / "entry_points.txt").write_text(f"[{group}]\n{line}\n")
