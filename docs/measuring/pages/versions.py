"""Put the checked versions into docs/reference/versions.md, between <!-- versions --> and <!-- /versions -->.

make versions
python docs/measure.py fill versions
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dqn2snn._utils.table import as_markdown
from measuring.places import DOCS, RESULTS, filled_pages

PAGE = DOCS / "reference" / "versions.md"
PACKAGES = ("torch", "snntorch", "norse", "gymnasium", "ale-py", "numpy")


def table() -> str:
    """A table of Markdown."""
    rows = json.loads((RESULTS / "versions.json").read_text(encoding="utf-8"))["environments"]
    header = ["Python", "versions", *PACKAGES, "checks passed"]
    return as_markdown(header, [[*_names(row), _checks(row)] for row in rows], left=2)


def _names(row: dict[str, Any]) -> list[str]:
    versions = row["versions"]
    return [
        versions.get("python", row["python"]),
        row["column"],
        *(versions.get(name, "") for name in PACKAGES),
    ]


def _checks(row: dict[str, Any]) -> str:
    verdicts = [verdict for verdict in row["checks"].values() if verdict != "skipped"]
    return f"{verdicts.count('passed')} of {len(verdicts)}" if verdicts else "not installed"


def pages() -> dict[Path, str]:
    """What the pages have to be."""
    return filled_pages({PAGE: {"versions": table()}})
