"""Every `dqn2snn.x` that is written resolves after `import dqn2snn` alone, and public names are few."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.public import public_name_count

ROOT = Path(__file__).parent.parent
WRITTEN = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "dqn2snn").rglob("*.py")),
]
NAME = re.compile(r"(?<![\w./\"'\[-])dqn2snn\.([A-Za-z]\w*(?:\.\w+)*)")
IMPORT = re.compile(r"^\s*(?:>>> |\.\.\. )?(?:from|import) dqn2snn.*$|^\.\. auto.*$", re.MULTILINE)
CEILING = 190
"""Distinct public names; it may only fall."""

NO_ATTRIBUTES = {"backends", "codings", "corrections", "finetunings", "cli"}
"""Groups of entry points, and the module that `python -m` runs."""

PROBE = """
import sys
import dqn2snn

def resolves(path):
    found = dqn2snn
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            return False
    return True

print(*(path for path in sys.argv[1:] if not resolves(path)), sep="\\n")
"""


def written_names() -> dict[str, str]:
    """Every name after `dqn2snn.`, with a file that has it; imports, which load what they name, do not count."""
    found: dict[str, str] = {}
    for file in WRITTEN:
        text = IMPORT.sub("", file.read_text(encoding="utf-8"))
        for name in NAME.findall(text):
            private = any(part.startswith("_") for part in name.split("."))
            if private or name in NO_ATTRIBUTES:
                continue
            found.setdefault(name, str(file.relative_to(ROOT)))
    return found


def test_every_name_that_is_written_resolves_after_one_import() -> None:
    names = written_names()
    assert "load_q_network" in names
    done = subprocess.run([sys.executable, "-c", PROBE, *names], capture_output=True, text=True, check=True)
    missing = {name: names[name] for name in done.stdout.split()}
    assert not missing


def test_public_names_are_few() -> None:
    assert public_name_count() <= CEILING
