"""Put the measured tables into docs/explanation/fine-tuning.md, between <!-- name --> and <!-- /name -->.

python -m dqn2snn.benchmark.minatar --output minatar-output
cp minatar-output/minatar.json docs/results/
python -m dqn2snn.benchmark.finetuning --output docs/results
python docs/results/fill_finetuning.py
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from dqn2snn.benchmark import finetuning, minatar

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "explanation" / "fine-tuning.md"


def tables() -> dict[str, str]:
    """The tables by the names of their places."""
    shares = json.loads((HERE / "minatar.json").read_text(encoding="utf-8"))
    ways = finetuning.read(HERE / "finetuning.jsonl")
    return {"minatar": markdown(*minatar.table(shares)), "ways": markdown(*finetuning.table(ways))}


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def filled(page: str, content: dict[str, str]) -> str:
    """The page with all tables in their places."""
    for name, table in content.items():
        before, _, rest = page.partition(f"<!-- {name} -->\n")
        _, _, after = rest.partition(f"<!-- /{name} -->")
        page = f"{before}<!-- {name} -->\n{table}\n<!-- /{name} -->{after}"
    return page


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), tables()), encoding="utf-8")
