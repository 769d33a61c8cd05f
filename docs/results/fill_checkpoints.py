"""Put the measured times into docs/howto/load-a-checkpoint.md, between <!-- ways --> and <!-- /ways -->.

python examples/time_checkpoints.py --output docs/results/checkpoints.json
python docs/results/fill_checkpoints.py
"""

from __future__ import annotations

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "howto" / "load-a-checkpoint.md"


def table() -> str:
    """A table of Markdown."""
    result = json.loads((HERE / "checkpoints.json").read_text(encoding="utf-8"))
    rows = [
        f"| {way['name']} | `{way['command']}` | {way['cpu_seconds']:g} s | {way['seconds']:g} s |"
        for way in result["ways"]
    ]
    where = f"{result['machine']['cpu']}, {result['machine']['cores']} cores"
    return (
        "\n".join(["| file | command | CPU time | by the clock |", "| --- | --- | ---: | ---: |", *rows])
        + f"\n\nOn {where}, shared with other work."
    )


def filled(page: str) -> str:
    """The page with the table in its place."""
    before, _, rest = page.partition("<!-- ways -->\n")
    _, _, after = rest.partition("<!-- /ways -->")
    return f"{before}<!-- ways -->\n\n{table()}\n\n<!-- /ways -->{after}"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
