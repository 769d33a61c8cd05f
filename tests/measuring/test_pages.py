from __future__ import annotations

import json

import pytest

from dqn2snn import zoo
from measuring.pages import NAMES, page_module
from measuring.places import RESULTS
from measuring.speed.ratios import incorrect


@pytest.mark.parametrize("name", NAMES)
def test_the_pages_show_the_kept_results(name: str) -> None:
    if name == "atari" and not zoo.atari_names():
        pytest.skip("the source distribution leaves zoo/atari out")
    for path, page in page_module(name).pages().items():
        assert path.read_text(encoding="utf-8") == page


def test_the_kept_results_have_equal_spikes_of_our_engines() -> None:
    results = json.loads((RESULTS / "speed.json").read_text(encoding="utf-8"))
    for network, found in results["networks"].items():
        assert not {"event", "torch"} & set(incorrect(results, network))
        assert found["checks"]["event"]["counts"] >= 2 * sum(found["neurons"][:-1])
