"""An even sample of a stream of known length: the same whatever the batches are, and without random numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

MOST = 1 << 20
"""Numbers that are kept of a layer."""


@dataclass
class Sample:
    """Every `stride`-th number of each group.

    The stride has no factor in common with `period`, the number of positions of an image, so that all positions take
    their turn.

    Attributes:
        values: `[G, M]`; complete when the stream has ended.
        stride: From one kept number to the next.
        seen: Numbers of each group that have passed.
    """

    values: Tensor
    stride: int
    seen: int = 0

    @staticmethod
    def of(groups: int, count: int, period: int = 1) -> Sample:
        """An empty sample.

        Args:
            groups: G.
            count: Numbers of each group that will pass.
            period: After how many numbers their meaning repeats.

        Returns:
            Sample: A sample of `ceil(count / stride)` numbers per group, at most `MOST` altogether or one per group.
        """
        stride = max(1, math.ceil(count * groups / MOST))
        while math.gcd(stride, period) > 1:
            stride += 1
        return Sample(torch.zeros(groups, math.ceil(count / stride)), stride)

    def observe(self, batch: Tensor) -> None:
        """Take a batch `[G, N]` in, in place.

        Example:
            >>> sample = Sample(torch.zeros(1, 2), stride=3)
            >>> sample.observe(torch.tensor([[1.0, 2.0]]))
            >>> sample.observe(torch.tensor([[3.0, 4.0, 5.0]]))
            >>> sample.values
            tensor([[1., 4.]])
        """
        kept = batch[:, -self.seen % self.stride :: self.stride]
        at = math.ceil(self.seen / self.stride)
        self.values[:, at : at + kept.shape[1]] = kept
        self.seen += batch.shape[1]
