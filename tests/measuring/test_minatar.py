"""The MinAtar table: its arithmetic, its order, and the page that shows it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from measuring import minatar
from measuring.__main__ import main
from measuring.finetuning import WAYS
from measuring.finetuning import table as ways_table
from measuring.minatar import GAMES, ROWS, summary, table


def entry(network: str, num_steps: int, returns: list[float], settled_at: int = 1) -> dict[str, Any]:
    return {
        "network": network,
        "num_steps": num_steps,
        "spikes_kind": "single",
        "settled_at": settled_at,
        "returns": returns,
        "spikes_per_neuron": 0.25,
    }


def lines() -> list[dict[str, Any]]:
    return [
        entry("dqn", 0, [9.0, 11.0]),
        entry("random", 0, [2.0, 2.0]),
        entry("graded", 6, [8.0, 10.0]),
        entry("single-4", 4, [5.0, 7.0], settled_at=4),
    ]


def test_a_share_is_zero_for_random_play_and_one_for_the_dqn() -> None:
    results = summary({game: lines() for game in GAMES}, 0)
    graded, single = results["rows"]
    assert graded["share"] == pytest.approx((9 - 2) / (10 - 2))
    assert single["share"] == pytest.approx((6 - 2) / (10 - 2))
    # One standard error of both means is 1; four games are averaged.
    assert single["standard_error"] == pytest.approx((1 + 0.5**2) ** 0.5 / 8 / 2)


def test_a_network_that_has_settled_stands_for_all_steps_since() -> None:
    _, (graded, single) = table(summary({game: lines() for game in GAMES}, 0))
    assert (graded[2], single[2]) == ("1 to 6", "4")


def test_a_row_is_there_once_all_games_are() -> None:
    found = {game: lines() for game in GAMES}
    found["freeway"] = found["freeway"][:3]
    assert [row["network"] for row in summary(found, 0)["rows"]] == ["graded"]


def test_what_was_measured_is_not_measured_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for game in GAMES:
        rows = [
            entry(row.network, row.num_steps, [9.0, 11.0] if row.network == "dqn" else [2.0, 3.0])
            for row in ROWS
        ]
        (tmp_path / f"{game}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["minatar", "--output", str(tmp_path), "--episodes", "2"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(ROWS) - 2
    assert len(json.loads((tmp_path / "minatar.json").read_text())["rows"]) == len(ROWS) - 2


def test_ways_of_fine_tuning_are_beside_each_other() -> None:
    entries = [
        {"agent": "acrobot", "num_steps": 2, "way": way, "agreement": 0.5, "gap_weighted_agreement": 0.75}
        for way in WAYS
    ]
    header, rows = ways_table([*entries, {**entries[0], "num_steps": 4}])
    assert header[2:] == list(WAYS)
    assert rows == [["acrobot", "2", *["50.0 / 75.0"] * len(WAYS)]]


def test_every_trained_network_is_in_the_table() -> None:
    assert {row.network for row in ROWS} == {"dqn", "random", *minatar.NETWORKS}
