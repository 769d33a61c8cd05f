"""The learning curve: what is measured between two of its points, and the file that holds them."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from atari.checkpoint import replace
from dqn2snn.errors import CheckpointError

__all__ = ["CURVE", "Marks", "Meter", "read_curve", "write_curve"]

CURVE = "curve.jsonl"
"""Name of the file in the directory of a run or of an agent."""

_DIGITS = 6
_WINDOW = 30  # games that the score of a student is the mean of


@dataclass
class Meter:
    """Sums up since the last point of the curve.

    Attributes:
        step: Steps at the last point.
        losses: One an update.
        max_q: Mean over the games of the largest Q-value, one a step of all games.
        seconds: By what they were spent on.
        since: When the last point was made, in seconds of a clock.
    """

    step: int = 0
    losses: list[float] = field(default_factory=list)
    max_q: list[float] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("act", "env", "learn"), 0.0))
    since: float = field(default_factory=time.perf_counter)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Add the time of a block to that of its kind.

        Args:
            what: ``"act"``, ``"env"`` or ``"learn"``.
        """
        started = time.perf_counter()
        yield
        self.seconds[what] += time.perf_counter() - started

    def point(self, step: int, scores: list[float], epsilon: float) -> dict[str, float]:
        """Make a point of the curve.

        Args:
            step: Steps so far.
            scores: Raw scores of the last whole games.
            epsilon: Probability of a random action now.

        Returns:
            Plain numbers; means are left out where there is nothing yet to average.

        Example:
            >>> Meter(step=0).point(80, [3.0, 5.0], epsilon=0.1)["score"]
            4.0
        """
        elapsed = time.perf_counter() - self.since
        means = {"score": scores, "loss": self.losses, "max_q": self.max_q}
        point = {"step": step, "epsilon": epsilon, "steps_per_second": (step - self.step) / elapsed}
        point |= {name: sum(values) / len(values) for name, values in means.items() if values}
        point |= {f"{what}_seconds": seconds for what, seconds in self.seconds.items()}
        return {name: round(value, _DIGITS) for name, value in point.items()}


@dataclass
class Marks:
    """The learning curve of a student, and what was measured since its last point.

    Attributes:
        curve: The points.
        recent: Raw scores of the last whole games.
        losses: One an update.
        agreed: Share of a batch in which the student took the teacher's decision, one an update.

    Example:
        >>> marks = Marks()
        >>> marks.learned(loss=2.0, agreed=0.25)
        >>> marks.point(step=640, update=1)
        'loss 2, agreement 0.25'
        >>> marks.curve
        [{'step': 640, 'update': 1, 'loss': 2.0, 'agreement': 0.25}]
    """

    curve: list[dict[str, float]] = field(default_factory=list)
    recent: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    agreed: list[float] = field(default_factory=list)

    def played(self, scores: Sequence[float]) -> None:
        """Remember whole games.

        Args:
            scores: Their raw scores.
        """
        self.recent = [*self.recent, *scores][-_WINDOW:]

    def learned(self, loss: float, agreed: float) -> None:
        """Remember an update.

        Args:
            loss: Of its batch.
            agreed: Share of the batch.
        """
        self.losses.append(loss)
        self.agreed.append(agreed)

    def point(self, step: int, update: int) -> str:
        """Make a point, and begin to measure for the next.

        Args:
            step: Steps so far.
            update: Updates so far.

        Returns:
            A line about it.
        """
        means = {"loss": self.losses, "agreement": self.agreed, "score": self.recent}
        found = {name: sum(values) / len(values) for name, values in means.items() if values}
        self.curve.append(
            {"step": step, "update": update} | {name: round(x, _DIGITS) for name, x in found.items()}
        )
        self.losses, self.agreed = [], []
        return ", ".join(f"{name} {x:.4g}" for name, x in found.items())


def write_curve(directory: Path, points: Sequence[dict[str, float]]) -> None:
    """Write a learning curve, one JSON object a line.

    Args:
        directory: Of the run; what is there already is replaced.
        points: The points.
    """
    replace(directory / CURVE, "".join(json.dumps(point) + "\n" for point in points).encode())


def read_curve(directory: Path) -> list[dict[str, float]]:
    """Read the learning curve of a run or of an agent.

    Args:
        directory: Where it is.

    Returns:
        Its points; none if there is no such file.

    Raises:
        CheckpointError: If a line is not an object of finite numbers with a step.
    """
    path = directory / CURVE
    try:
        points = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: Expected a JSON object a line. Found: {error}") from None
    for number, point in enumerate(points, 1):
        if not _is_point(point):
            raise CheckpointError(
                f"{path}: Expected finite numbers by name in line {number}, among them the step. Found {point!r:.80}."
            )
    return points


def _is_point(found: object) -> bool:
    if not isinstance(found, dict) or "step" not in found:
        return False
    return all(isinstance(value, int | float) and math.isfinite(value) for value in found.values())
