"""Put the table of results.json where pages show it: between <!-- results --> and <!-- /results -->.

dqn2snn demo --output docs/results
python docs/results/fill.py
"""

from __future__ import annotations

import json
from pathlib import Path

from dqn2snn.benchmark.places import filled
from dqn2snn.cli._demo import markdown_table

HERE = Path(__file__).resolve().parent
PAGES = (HERE.parents[1] / "README.md", HERE.parent / "explanation" / "results.md")


if __name__ == "__main__":
    table = markdown_table(json.loads((HERE / "results.json").read_text(encoding="utf-8")))
    for path in PAGES:
        path.write_text(filled(path.read_text(encoding="utf-8"), {"results": table}), encoding="utf-8")
