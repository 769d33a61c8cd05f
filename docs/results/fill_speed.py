r"""Put the tables of the kept measurements into the page about speed and the README.

Each goes between <!-- name --> and <!-- /name -->.

python -m dqn2snn.benchmark.speed --output docs/results
python -m dqn2snn.benchmark.speed --output docs/results/every-step --every-step --no-memory \
    --networks nature --threads 1 --batches 1 32
python -m dqn2snn.benchmark.crossover --output docs/results
python -m dqn2snn.benchmark.streaming --output docs/results --agent RoadRunner
python docs/results/fill_speed.py
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dqn2snn.benchmark import crossover, streaming
from dqn2snn.benchmark.places import filled
from dqn2snn.benchmark.report import as_markdown, checks_markdown, markdown, memory_markdown

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "explanation" / "speed.md"
README = HERE.parents[1] / "README.md"


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


def kept() -> dict[Path, dict[str, str]]:
    """The tables of the kept results, page by page."""
    names = ("speed.json", "every-step/speed.json", "crossover.json", "streaming.json")
    raw = (json.loads((HERE / name).read_text(encoding="utf-8")) for name in names)
    speed, every_step, crossing, streams = raw
    tutorials = {"speed": markdown(every_step, "nature", 1, every_step=True)}
    return {PAGE: tables(speed, every_step, crossing, streams), README: tutorials}


if __name__ == "__main__":
    for path, content in kept().items():
        path.write_text(filled(path.read_text(encoding="utf-8"), content), encoding="utf-8")
