"""The table of docs/explanation/anytime.md.

python docs/measure.py anytime --output docs/results
python docs/measure.py fill anytime
"""

from __future__ import annotations

import json
from pathlib import Path

from measuring.anytime import table
from measuring.places import DOCS, RESULTS, filled_pages

PAGE = DOCS / "explanation" / "anytime.md"


def pages() -> dict[Path, str]:
    """What the pages have to be."""
    agents = json.loads((RESULTS / "anytime.json").read_text(encoding="utf-8"))["agents"]
    return filled_pages({PAGE: {"anytime": table(agents)}})
