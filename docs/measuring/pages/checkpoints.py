"""Put the measured times into docs/howto/load-a-checkpoint.md, between <!-- ways --> and <!-- /ways -->.

python docs/measure.py checkpoints --output docs/results/checkpoints.json
python docs/measure.py fill checkpoints
"""

from __future__ import annotations

import json
from pathlib import Path

from dqn2snn._utils.table import as_markdown
from measuring.places import DOCS, RESULTS, filled_pages

PAGE = DOCS / "howto" / "load-a-checkpoint.md"


def table() -> str:
    """A table of Markdown."""
    result = json.loads((RESULTS / "checkpoints.json").read_text(encoding="utf-8"))
    rows = [
        [way["name"], f"`{way['command']}`", f"{way['cpu_seconds']:g} s", f"{way['seconds']:g} s"]
        for way in result["ways"]
    ]
    where = f"{result['machine']['cpu']}, {result['machine']['cores']} cores"
    header = ["file", "command", "CPU time", "by the clock"]
    return f"{as_markdown(header, rows, left=2)}\nOn {where}."


def pages() -> dict[Path, str]:
    """What the pages have to be."""
    return filled_pages({PAGE: {"ways": table()}})
