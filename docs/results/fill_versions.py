"""Put the checked versions into docs/reference/versions.md, between <!-- versions --> and <!-- /versions -->.

make versions
python docs/results/fill_versions.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dqn2snn.benchmark.places import filled
from dqn2snn.benchmark.report import as_markdown

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "reference" / "versions.md"
PACKAGES = ("torch", "snntorch", "norse", "gymnasium", "ale-py", "numpy")


def table() -> str:
    """A table of Markdown."""
    rows = json.loads((HERE / "versions.json").read_text(encoding="utf-8"))["environments"]
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


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), {"versions": table()}), encoding="utf-8")
