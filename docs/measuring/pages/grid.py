"""Put what the grid costs into docs/explanation/grid.md, between <!-- cost --> and <!-- /cost -->.

python docs/measure.py grid --output docs/results/grid.json
python docs/measure.py fill grid
"""

from __future__ import annotations

import json
from pathlib import Path

from dqn2snn._utils.table import as_markdown
from measuring.places import DOCS, RESULTS, filled_pages

PAGE = DOCS / "explanation" / "grid.md"


def tables() -> dict[str, str]:
    """The table by the name of its place, a row for each conversion."""
    result = json.loads((RESULTS / "grid.json").read_text(encoding="utf-8"))
    rows = [
        [
            each["agent"],
            each["recipe"],
            str(each["steps"]),
            f"2^-{each['threshold_bits']:.0f}",
            _interval(each["on_grid"]),
            _interval(each["raw"]),
        ]
        for each in result["rows"]
    ]
    header = ["agent", "recipe", "T", "coarsest grid, thresholds", "on the grid", "raw"]
    return {"cost": as_markdown(header, rows, left=2)}


def _interval(found: dict[str, float]) -> str:
    return f"{100 * found['mean']:.1f} [{100 * found['low']:.1f}, {100 * found['high']:.1f}]"


def pages() -> dict[Path, str]:
    """What the pages have to be."""
    return filled_pages({PAGE: tables()})
