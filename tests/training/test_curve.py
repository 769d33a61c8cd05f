"""The learning curve of a run: what its points say, and what is refused instead of them."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("ale_py", reason="the trainer needs the extra atari")

from atari.curve import CURVE, Marks, read_curve, write_curve
from dqn2snn.errors import CheckpointError


def test_a_student_is_measured_from_one_point_to_the_next() -> None:
    marks = Marks()
    for loss, agreed in ((4.0, 0.25), (2.0, 0.75)):
        marks.learned(loss, agreed)
    assert marks.point(640, 2) == "loss 3, agreement 0.5"
    marks.played([float(score) for score in range(40)])
    marks.learned(1.0, 1.0)
    marks.point(648, 3)
    assert marks.curve == [
        {"step": 640, "update": 2, "loss": 3.0, "agreement": 0.5},
        {"step": 648, "update": 3, "loss": 1.0, "agreement": 1.0, "score": 24.5},  # of the last 30 games
    ]


def test_a_curve_is_read_as_it_was_written(tmp_path: Path) -> None:
    points: list[dict[str, float]] = [{"step": 8, "loss": 0.1}, {"step": 16, "loss": 0.05, "score": 3.0}]
    assert read_curve(tmp_path) == []
    write_curve(tmp_path, points)
    assert read_curve(tmp_path) == points
    assert [path.name for path in tmp_path.iterdir()] == [CURVE]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"step": 8, "loss"', "Expected a JSON object a line"),
        ('{"loss": 0.1}', "among them the step. Found {'loss': 0.1}"),
        ('{"step": 8, "loss": NaN}', "in line 2"),
        ("[1, 2]", r"Found \[1, 2\]"),
        ('{"step": "8"}', "Expected finite numbers"),
        ("\xff", "Expected a JSON object a line"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / CURVE).write_text(f'{{"step": 0}}\n{line}\n', encoding="latin-1")
    with pytest.raises(CheckpointError, match=message):
        read_curve(tmp_path)
