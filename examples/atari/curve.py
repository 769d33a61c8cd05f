"""The learning curve: what is measured between two of its points."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

__all__ = ["Meter"]

_DIGITS = 6


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
