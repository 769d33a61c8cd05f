"""The table of docs/explanation/choosing.md.

python docs/measure.py prediction --output docs/results
python docs/measure.py fill prediction
"""

from __future__ import annotations

import json
from pathlib import Path

from measuring.places import DOCS, RESULTS, filled_pages
from measuring.prediction import markdown

PAGE = DOCS / "explanation" / "choosing.md"


def pages() -> dict[Path, str]:
    """What the pages have to be."""
    rows = json.loads((RESULTS / "prediction.json").read_text(encoding="utf-8"))["summary"]
    return filled_pages({PAGE: {"prediction": markdown(rows)}})
