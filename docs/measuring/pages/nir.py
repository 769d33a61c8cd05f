"""Put what other libraries make of NIR files into docs/howto/nir.md, between <!-- readers --> and <!-- /readers -->.

python docs/measure.py nir --output docs/results/nir.json
python docs/measure.py fill nir
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dqn2snn._utils.table import as_markdown
from measuring.places import DOCS, RESULTS, filled_pages

PAGE = DOCS / "howto" / "nir.md"
OURS = "PlanError"  # a helper that is not for such a plan


def table() -> str:
    """A table of Markdown."""
    result = json.loads((RESULTS / "nir.json").read_text(encoding="utf-8"))
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
        f"{result['steps']} steps of {result['states']} decisions (`python docs/measure.py nir`)."
    )


def _version(result: dict[str, Any], library: str) -> str:
    return str(result["versions"][library.lower()])


def _cell(row: dict[str, Any]) -> str:
    if "error" in row:
        return f"`{row['error']}`".replace("|", "/")
    differing, total = row["differing"], row["of"]
    return f"**0** of {total:,}" if differing == 0 else f"{differing:,} of {total:,}"


def pages() -> dict[Path, str]:
    """What the pages have to be."""
    return filled_pages({PAGE: {"readers": table()}})
