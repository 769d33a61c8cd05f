"""Put the measured tables into docs/explanation/fine-tuning.md, between <!-- name --> and <!-- /name -->.

python -m dqn2snn.benchmark.minatar --output minatar-output
cp minatar-output/minatar.json docs/results/
python -m dqn2snn.benchmark.finetuning --output docs/results
python docs/results/fill_finetuning.py
"""

from __future__ import annotations

import json
from pathlib import Path

from dqn2snn.benchmark import finetuning, minatar
from dqn2snn.benchmark.places import filled
from dqn2snn.benchmark.report import as_markdown

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "explanation" / "fine-tuning.md"


def tables() -> dict[str, str]:
    """The tables by the names of their places."""
    shares = json.loads((HERE / "minatar.json").read_text(encoding="utf-8"))
    ways = finetuning.read(HERE / "finetuning.jsonl")
    return {"minatar": as_markdown(*minatar.table(shares)), "ways": as_markdown(*finetuning.table(ways))}


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), tables()), encoding="utf-8")
