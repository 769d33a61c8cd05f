r"""Put the tables of the kept measurements into the page about speed and the README.

Each goes between <!-- name --> and <!-- /name -->.

python docs/measure.py speed --output docs/results
python docs/measure.py speed --output docs/results/every-step --every-step --no-memory \
    --networks nature --threads 1 --batches 1 32
python docs/measure.py crossover --output docs/results
python docs/measure.py streaming --output docs/results --agent RoadRunner
python docs/measure.py fill speed
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dqn2snn._utils.table import as_markdown
from measuring.places import DOCS, RESULTS, ROOT, filled_pages
from measuring.speed import crossover, streaming
from measuring.speed.report import checks_markdown, markdown, memory_markdown

PAGE = DOCS / "explanation" / "speed.md"
README = ROOT / "README.md"


def tables(
    speed: Mapping[str, Any],
    every_step: Mapping[str, Any],
    crossing: dict[str, Any],
    streams: dict[str, Any],
) -> dict[str, str]:
    """The tables of the page by the names of their places."""
    one_thread = {name: markdown(speed, name, 1) for name in speed["networks"]}
    return {
        **one_thread,
        "every step": markdown(every_step, "nature", 1, every_step=True),
        "two threads": markdown(speed, "nature", 2, "wall"),
        "checks": checks_markdown(speed),
        "memory": memory_markdown(speed),
        "crossover": as_markdown(*crossover.table(crossing)),
        "streaming": as_markdown(*streaming.table(streams)),
    }


def pages() -> dict[Path, str]:
    """What the pages have to be."""
    names = ("speed.json", "every-step/speed.json", "crossover.json", "streaming.json")
    raw = (json.loads((RESULTS / name).read_text(encoding="utf-8")) for name in names)
    speed, every_step, crossing, streams = raw
    tutorials = {"speed": markdown(every_step, "nature", 1, every_step=True)}
    return filled_pages({PAGE: tables(speed, every_step, crossing, streams), README: tutorials})
