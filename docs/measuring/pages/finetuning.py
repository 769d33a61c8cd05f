"""Put the measured tables into docs/explanation/fine-tuning.md, between <!-- name --> and <!-- /name -->.

python docs/measure.py minatar --output minatar-output
cp minatar-output/minatar.json docs/results/
python docs/measure.py finetuning --output docs/results
python docs/measure.py fill finetuning
"""

from __future__ import annotations

import json
from pathlib import Path

from dqn2snn._utils.table import as_markdown
from measuring import finetuning, minatar
from measuring.places import DOCS, RESULTS, filled_pages

PAGE = DOCS / "explanation" / "fine-tuning.md"


def tables() -> dict[str, str]:
    """The tables by the names of their places."""
    shares = json.loads((RESULTS / "minatar.json").read_text(encoding="utf-8"))
    ways = finetuning.read(RESULTS / "finetuning.jsonl")
    return {"minatar": as_markdown(*minatar.table(shares)), "ways": as_markdown(*finetuning.table(ways))}


def pages() -> dict[Path, str]:
    """What the pages have to be."""
    return filled_pages({PAGE: tables()})
