"""Put the table of results.json where pages show it: between <!-- results --> and <!-- /results -->.

dqn2snn demo --output docs/results
python docs/results/fill.py
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from dqn2snn.demo import markdown_table

HERE = Path(__file__).resolve().parent
PAGES = (HERE.parents[1] / "README.md", HERE.parent / "explanation" / "results.md")
PLACE = re.compile("<!-- results -->.*?<!-- /results -->", re.DOTALL)


def filled(page: str, table: str) -> str:
    """The page with the table in the marked place."""
    text, count = PLACE.subn(lambda _: f"<!-- results -->\n\n{table}\n<!-- /results -->", page)
    assert count == 1, "a page lacks its markers, or has several"
    return text


if __name__ == "__main__":
    table = markdown_table(json.loads((HERE / "results.json").read_text(encoding="utf-8")))
    for path in PAGES:
        path.write_text(filled(path.read_text(encoding="utf-8"), table), encoding="utf-8")
