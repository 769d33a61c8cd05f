"""Put the measured times into docs/howto/load-a-checkpoint.md, between <!-- ways --> and <!-- /ways -->.

python examples/time_checkpoints.py --output docs/results/checkpoints.json
python docs/results/fill_checkpoints.py
"""

from __future__ import annotations

import json
from pathlib import Path

from dqn2snn.benchmark.places import filled
from dqn2snn.benchmark.report import as_markdown

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "howto" / "load-a-checkpoint.md"


def table() -> str:
    """A table of Markdown."""
    result = json.loads((HERE / "checkpoints.json").read_text(encoding="utf-8"))
    rows = [
        [way["name"], f"`{way['command']}`", f"{way['cpu_seconds']:g} s", f"{way['seconds']:g} s"]
        for way in result["ways"]
    ]
    where = f"{result['machine']['cpu']}, {result['machine']['cores']} cores"
    header = ["file", "command", "CPU time", "by the clock"]
    return f"{as_markdown(header, rows, left=2)}\nOn {where}."


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), {"ways": table()}), encoding="utf-8")
