"""The benchmark of streams: every contestant is timed, and the table says what the numbers say."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from measuring.__main__ import main
from measuring.speed.atari import ordered_play
from measuring.speed.streaming import KINDS, measure, table


def test_streams_and_dqn_are_timed_on_the_same_frames() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    moving = torch.arange(40)[:, None, None, None] * 5 + torch.arange(72).reshape(2, 6, 6)
    found = measure(network, (moving % 256).byte(), rounds=3)
    assert len(found["cpu"]) == 2 + len(KINDS)
    assert all(len(times) == 3 and min(times) > 0 for times in found["cpu"].values())
    for stream in found["streams"].values():
        assert stream["decisions"] == 20
        assert stream["spikes per neuron"] > 0
        assert 0 <= stream["agreement"] <= 1
    header, rows = table({"networks": {"small": found}})
    assert [row[:2] for row in rows] == [["small", name] for name in found["streams"]]
    least = min(min(found["cpu"]["DQN"]), min(found["cpu"]["DQN, channels last"]))
    assert rows[0][2] == f"{min(found['cpu'][rows[0][1]]) / least:.2f}"
    assert len(header) == len(rows[0])


def test_play_in_order_is_play_in_order() -> None:
    pytest.importorskip("ale_py")
    frames = ordered_play("pong", 6)
    assert frames.shape == (6, 4, 84, 84)
    assert frames.dtype == torch.uint8
    assert torch.equal(frames[1:, :-1], frames[:-1, 1:])


def test_unknown_arguments_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["streaming", "--frames", "3", "--output", str(tmp_path / "out")]) == 2
    assert "unrecognized" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
