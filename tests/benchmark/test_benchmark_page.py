from __future__ import annotations

import json
import runpy
from pathlib import Path

from dqn2snn.benchmark.ratios import incorrect

ROOT = Path(__file__).parents[2]


def test_the_pages_show_the_kept_results() -> None:
    fill = runpy.run_path(str(ROOT / "docs" / "results" / "fill_speed.py"))
    for path, content in fill["kept"]().items():
        page = path.read_text(encoding="utf-8")
        assert fill["filled"](page, content) == page


def test_the_page_on_checkpoints_shows_the_kept_times() -> None:
    fill = runpy.run_path(str(ROOT / "docs" / "results" / "fill_checkpoints.py"))
    page = fill["PAGE"].read_text(encoding="utf-8")
    assert fill["filled"](page, {"ways": fill["table"]()}) == page


def test_the_page_on_the_grid_shows_what_it_costs() -> None:
    fill = runpy.run_path(str(ROOT / "docs" / "results" / "fill_grid.py"))
    page = fill["PAGE"].read_text(encoding="utf-8")
    assert fill["filled"](page, fill["tables"]()) == page


def test_the_kept_results_have_equal_spikes_of_our_engines() -> None:
    results = json.loads((ROOT / "docs" / "results" / "speed.json").read_text(encoding="utf-8"))
    for network, found in results["networks"].items():
        assert not {"event", "torch"} & set(incorrect(results, network))
        assert found["checks"]["event"]["counts"] >= 2 * sum(found["neurons"][:-1])
