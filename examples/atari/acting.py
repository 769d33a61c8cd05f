"""Choosing actions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["choose"]


def choose(q: NDArray[np.float32], epsilon: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Choose actions epsilon-greedily.

    Args:
        q: Q-values, ``[N, A]``.
        epsilon: Probability of a random action.
        rng: Source of randomness.

    Returns:
        An action for each row, ``[N]``.

    Example:
        >>> choose(np.array([[0.0, 1.0], [3.0, 2.0]]), 0.0, np.random.default_rng(0))
        array([1, 0])
    """
    random = rng.random(len(q)) < epsilon
    return np.where(random, rng.integers(q.shape[1], size=len(q)), q.argmax(1))
