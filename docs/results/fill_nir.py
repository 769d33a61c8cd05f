"""Put what other libraries make of NIR files into docs/howto/nir.md, between <!-- readers --> and <!-- /readers -->.

python examples/nir_conformance.py --output docs/results/nir.json
python docs/results/fill_nir.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dqn2snn.benchmark.places import filled
from dqn2snn.benchmark.report import as_markdown

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "howto" / "nir.md"
OURS = "PlanError"  # a helper that is not for such a plan


def table() -> str:
    """A table of Markdown."""
    result = json.loads((HERE / "nir.json").read_text(encoding="utf-8"))
    agents = list(dict.fromkeys(row["agent"] for row in result["rows"]))
    kinds = list(dict.fromkeys(row["plan"] for row in result["rows"]))
    readers = list(dict.fromkeys((row["library"], row["how"]) for row in result["rows"]))
    found = {(row["agent"], row["plan"], row["library"], row["how"]): row for row in result["rows"]}
    rows = [
        [
            f"{library} {_version(result, library)}",
            how,
            kind,
            *(_cell(found[agent, kind, library, how]) for agent in agents),
        ]
        for library, how in readers
        for kind in kinds
        if not all(found[agent, kind, library, how].get("error", "").startswith(OURS) for agent in agents)
    ]
    header = ["library", "how", "plan", *agents]
    return (
        f"{as_markdown(header, rows, left=3)}\nCurrents of output neurons that differ from the reference, over "
        f"{result['steps']} steps of {result['states']} decisions (`python examples/nir_conformance.py`)."
    )


def _version(result: dict[str, Any], library: str) -> str:
    return str(result["versions"][library.lower()])


def _cell(row: dict[str, Any]) -> str:
    if "error" in row:
        return f"`{row['error']}`".replace("|", "/")
    differing, total = row["differing"], row["of"]
    return f"**0** of {total:,}" if differing == 0 else f"{differing:,} of {total:,}"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), {"readers": table()}), encoding="utf-8")
