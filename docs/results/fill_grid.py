"""Put what the grid costs into docs/explanation/grid.md, between <!-- cost --> and <!-- /cost -->.

python examples/measure_grid.py --output docs/results/grid.json
python docs/results/fill_grid.py
"""

from __future__ import annotations

import json
from pathlib import Path

from dqn2snn.benchmark.places import filled
from dqn2snn.benchmark.report import as_markdown

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "explanation" / "grid.md"


def tables() -> dict[str, str]:
    """The table by the name of its place, a row for each conversion."""
    result = json.loads((HERE / "grid.json").read_text(encoding="utf-8"))
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


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), tables()), encoding="utf-8")
