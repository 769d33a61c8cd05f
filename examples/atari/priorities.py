"""Numbers to draw from in proportion to their weights, which may change at any time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["SumTree"]


class SumTree:
    """A binary tree over weights, each node of which holds the sum of its two children.

    Setting or drawing one number takes as many steps as the tree has levels: Schaul et al. (2016, arXiv 1511.05952),
    appendix B.2.1.

    Args:
        size: The numbers are 0 to `size` - 1; all weights are 0 at first.

    Example:
        >>> tree = SumTree(5)
        >>> tree.set(np.array([1, 4]), np.array([1.0, 3.0]))
        >>> drawn = tree.draw(8, np.random.default_rng(0))
        >>> drawn, tree.weights(drawn)
        (array([4, 4, 1, 1, 4, 4, 4, 4]), array([3., 3., 1., 1., 3., 3., 3., 3.]))
    """

    def __init__(self, size: int) -> None:
        self._leaves = 1 << (size - 1).bit_length()
        self._sums = np.zeros(2 * self._leaves)  # the root is 1, the children of i are 2 i and 2 i + 1

    @property
    def total(self) -> float:
        """The sum of all weights."""
        return float(self._sums[1])

    def weights(self, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the weights of numbers.

        Args:
            numbers: Any, ``[K]``.

        Returns:
            ``[K]``.
        """
        found: NDArray[np.float64] = self._sums[numbers + self._leaves]
        return found

    def set(self, numbers: NDArray[np.int64], weights: NDArray[np.floating] | float) -> None:
        """Change weights.

        Args:
            numbers: Whose, ``[K]``; if one is there twice, its last weight counts.
            weights: None negative, ``[K]`` or one for all.
        """
        nodes = numbers + self._leaves
        self._sums[nodes] = weights
        for _ in range(self._leaves.bit_length() - 1):
            nodes = nodes // 2
            self._sums[nodes] = self._sums[2 * nodes] + self._sums[2 * nodes + 1]

    def draw(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw numbers, with replacement.

        Args:
            count: How many; `total` must not be 0.
            rng: Source of randomness.

        Returns:
            Numbers of which no weight is 0, ``[count]``.
        """
        nodes, rest = np.ones(count, np.int64), rng.random(count) * self.total
        for _ in range(self._leaves.bit_length() - 1):
            nodes *= 2
            left = self._sums[nodes]
            # By rounding, what is left can exceed the sum of a subtree; an empty one is never entered.
            right = (rest >= left) & (self._sums[nodes + 1] > 0)
            rest -= np.where(right, left, 0.0)
            nodes += right
        return nodes - self._leaves
