"""Put the table of results.json where pages show it: between <!-- results --> and <!-- /results -->.

dqn2snn demo --output docs/results
python docs/measure.py fill results
"""

from __future__ import annotations

import json
from pathlib import Path

from dqn2snn.cli._demo import markdown_table
from measuring.places import DOCS, RESULTS, ROOT, filled_pages

PAGES = (ROOT / "README.md", DOCS / "explanation" / "results.md")


def pages() -> dict[Path, str]:
    """What the pages have to be."""
    table = markdown_table(json.loads((RESULTS / "results.json").read_text(encoding="utf-8")))
    return filled_pages({page: {"results": table} for page in PAGES})
