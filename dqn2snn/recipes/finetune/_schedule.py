"""Options that all fine-tunings have: how long and how fast they train."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dqn2snn.errors import ArgumentError

_LAST_RATE = 0.02


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The options of a fine-tuning.

    Attributes:
        updates: Updates by Adam.
        batch_size: Observations of each update.
        learning_rate: Learning rate of the first update, in root mean squares of a layer's weights. It falls to 2 % of
            that along a cosine.
        features: Weight of LaSNN's loss on the layers' attention; 0 for none.
        seed: Determines the order of the observations.
        progress: Show a progress bar when standard error is a terminal.

    Raises:
        ArgumentError: If one is out of range.

    Example:
        >>> Schedule(updates=100).rate(50)
        0.5
    """

    updates: int = 600
    batch_size: int = 128
    learning_rate: float = 0.01
    features: float = 0.0
    seed: int = 0
    progress: bool = True

    def __post_init__(self) -> None:
        for name in ("updates", "batch_size"):
            found = getattr(self, name)
            if isinstance(found, bool) or not isinstance(found, int) or found < 1:
                raise ArgumentError(
                    f"Expected a positive whole number as {name}. Found {found!r}. Leave it out."
                )
        if not self.learning_rate > 0 or not math.isfinite(self.learning_rate):
            raise ArgumentError(
                f"Expected a positive learning_rate. Found {self.learning_rate!r}. Try 0.01, a hundredth of the "
                "weights' root mean square an update."
            )
        if not self.features >= 0:
            raise ArgumentError(f"Expected features, a weight, of at least 0. Found {self.features!r}.")

    def rate(self, update: int) -> float:
        """Part of the learning rate at an update."""
        return max(_LAST_RATE, 0.5 * (1 + math.cos(math.pi * update / self.updates)))
