"""The numbers of the report beside other ways to get them; its tables and pictures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from scipy import stats

import dqn2snn
from dqn2snn import zoo
from dqn2snn.benchmark import Conditions, Results, Settings, Unit, run, summarise
from dqn2snn.benchmark._game import Game
from dqn2snn.benchmark._report import FILES, markdown, report_text, write_report
from dqn2snn.metrics.confidence import Interval, mean_interval, paired_interval, proportion_interval
from tests.benchmark.subjects import CONDITIONS


def lines(agent: str, recipe: str, seed: int, returns: list[float], **more: Any) -> list[dict[str, Any]]:
    """Lines as a run would write them."""
    steps = 0 if recipe == "dqn" else 8
    unit = Unit(agent, recipe, steps, None, seed)
    lengths = more.pop("lengths", [10] * len(returns))
    return [
        {
            **unit.key,
            "episode": number,
            "weights": "w",
            "return": found,
            "length": lengths[number],
            **{name: values[number] for name, values in more.items()},
        }
        for number, found in enumerate(returns)
    ]


def spiking(agent: str, seed: int, returns: list[float], agreed: list[int]) -> list[dict[str, Any]]:
    half = [hits // 2 for hits in agreed]
    cost = {"spikes": [20.0] * len(returns), "operations": [4000.0] * len(returns)}
    return lines(agent, "rate", seed, returns, agreed=agreed, agreed_spike_count=half, **cost)


@pytest.fixture(scope="module")
def results() -> Results:
    """Two games; one has two seeds and an episode that only one of the two has played."""
    found = Results(Conditions())
    found.add(lines("up", "dqn", 0, [10.0, 14.0, 12.0]) + spiking("up", 0, [9.0, 15.0], [10, 8]))
    found.add(lines("up", "dqn", 1, [20.0, 16.0]) + spiking("up", 1, [10.0, 14.0], [6, 8]))
    found.add(lines("down", "dqn", 0, [-8.0, -6.0]) + spiking("down", 0, [-9.0, -7.0], [10, 10]))
    return found


def test_numbers_of_a_game_are_those_that_a_hand_computes(results: Results) -> None:
    down, up = summarise(results, {"up": zoo.Reference(0.0, 20.0)}).games
    assert (up.agent, up.seeds, up.episodes) == ("up", (0, 1), 4)
    assert up.dqn.mean == pytest.approx((10 + 14 + 20 + 16) / 4)
    assert up.snn.mean == pytest.approx((9 + 15 + 10 + 14) / 4)
    assert up.difference == paired_interval([9.0, 15, 10, 14], [10.0, 14, 20, 16])
    assert up.ratio is not None
    assert up.ratio.mean == pytest.approx(48 / 60)
    assert up.ratio.low < 0.8 < up.ratio.high
    assert (up.human_snn, up.human_dqn) == (pytest.approx(12 / 20), pytest.approx(15 / 20))
    hits = [episode_hits for count in (10, 8, 6, 8) for episode_hits in [1] * count + [0] * (10 - count)]
    assert up.agreement == proportion_interval(hits, clusters=np.arange(40) // 10)
    assert up.agreement_spike_count.mean == pytest.approx((5 + 4 + 3 + 4) / 40)
    assert (up.operations.mean, up.spikes.mean) == (400.0, 2.0)
    expected = stats.permutation_test(
        (np.array([-1.0, 1, -10, -2]),), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert up.p_value == pytest.approx(expected.pvalue)
    assert (down.ratio, down.human_snn) == (None, None)
    assert down.agreement.mean == 1.0


def test_numbers_over_games_are_those_that_a_hand_computes(results: Results) -> None:
    (overall,) = summarise(
        results, {"up": zoo.Reference(0.0, 20.0), "down": zoo.Reference(-10.0, 0.0)}
    ).overall
    assert overall.games == 2
    assert overall.ratio is not None
    assert overall.ratio.mean == pytest.approx((12 / 15 + 12 / 15) / 2)  # both seeds have 12, the DQN 15
    # Runs: up 12/20 of each seed, down 2/10. Of three none is left out.
    assert overall.human_snn is not None
    assert overall.human_snn.mean == pytest.approx((0.6 + 0.6 + 0.2) / 3)
    assert overall.human_dqn is not None
    assert overall.human_dqn.mean == pytest.approx((0.6 + 0.9 + 0.3) / 3)
    assert overall.human_difference is not None
    assert overall.human_difference.mean == pytest.approx((1.4 - 1.8) / 3)
    assert overall.agreement == pytest.approx((0.8 + 1.0) / 2)


def test_the_report_says_what_compare_policies_says(tmp_path: Path) -> None:
    settings = Settings(agents=("minatar-breakout",), num_steps=(4,), episodes=3, conditions=CONDITIONS)
    found, _ = run(settings, tmp_path, progress=False)
    (game,) = summarise(found).games
    agent = dqn2snn.load_q_network("minatar-breakout")
    observations = dqn2snn.collect_observations(agent, 200, max_episode_steps=12)
    snn = dqn2snn.convert(agent, observations, recipe="rate", num_steps=4)
    expected = dqn2snn.compare_policies(agent, snn, episodes=3, epsilon=0.05, max_episode_steps=12)
    assert game.dqn == expected.dqn.interval
    assert game.snn == expected.snn.interval
    assert game.difference == expected.difference
    assert game.agreement == expected.agreement
    assert game.agreement_spike_count == expected.spike_count_agreement


def test_a_network_without_its_dqn_is_left_out() -> None:
    found = Results(Conditions())
    found.add(spiking("up", 0, [1.0, 2.0], [3, 4]))
    summary = summarise(found)
    assert summary.games == summary.overall == ()
    assert "| agent |" in markdown(summary)


def test_a_single_episode_is_reported_without_ends(tmp_path: Path) -> None:
    found = Results(Conditions())
    found.add(lines("up", "dqn", 0, [10.0]) + spiking("up", 0, [9.0], [10]))
    write_report(summarise(found), tmp_path)
    (game,) = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["games"]
    assert game["snn"] == {"mean": 9.0, "low": None, "high": None, "level": 0.95, "count": 1}


def test_tables_show_every_game_and_why_others_are_not_there(results: Results) -> None:
    refused = replace(results, refused={Unit("up", "bu2022", 8, 99.0, 0): "no percentile"})
    page = markdown(summarise(refused))
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith(("| up", "| down"))]
    assert [row[:5] for row in rows] == [
        ["| down", "rate", "8", "own", "2"],
        ["| up", "rate", "8", "own", "4"],
    ]
    assert rows[0][7] == ""
    assert rows[1][7].startswith("0.8")
    assert "* up bu2022 T=8 percentile=99 seed=0: no percentile" in page
    shown = report_text(summarise(refused))
    assert "No up bu2022 T=8 percentile=99 seed=0: no percentile" in shown
    assert str(mean_interval([9.0, 15.0, 10.0, 14.0])) in shown


def test_pictures_show_something_of_every_game(results: Results, tmp_path: Path) -> None:
    write_report(summarise(results), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    for name in FILES[2:]:
        pixels = matplotlib.image.imread(tmp_path / name)
        halves = np.split(pixels[:, : pixels.shape[1] // 2 * 2], 2, axis=1)  # a panel each
        assert all((half[..., :3].max(2) - half[..., :3].min(2)).max() > 0.5 for half in halves)  # in colour


def test_intervals_are_those_of_the_package(results: Results) -> None:
    game: Game = summarise(results).games[1]
    assert all(isinstance(getattr(game, name), Interval) for name in ("dqn", "snn", "agreement", "spikes"))
