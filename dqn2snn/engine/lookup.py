"""Products of a matrix with spikes, which are mostly zeros."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def looked_up(columns: Tensor, spikes: Tensor, graded: bool = False) -> Tensor:
    """`W s` for a batch of spikes, from the columns of `W` whose neurons fired.

    Where few neurons fire this is faster than a matrix product: it adds the same numbers but for the zeros, in
    another order, which on the grid makes no difference.

    Args:
        columns: Transposed `W`, `[F, F']`, float32 and contiguous, on the CPU.
        spikes: Whole numbers, `[N, F]`.
        graded: Whether there are others than 0 and 1 among them.

    Returns:
        Tensor: `[N, F']`.

    Example:
        >>> looked_up(torch.tensor([[1.0, 2.0], [4.0, 8.0], [16.0, 32.0]]), torch.tensor([[1.0, 0.0, 1.0]]))
        tensor([[17., 34.]])
    """
    rows, neurons = spikes.shape
    fired = torch.from_numpy(np.flatnonzero(spikes.bool().numpy()))  # in less time than torch.nonzero
    starts = torch.searchsorted(fired, torch.arange(rows) * neurons)
    values = spikes.flatten()[fired] if graded else None
    return F.embedding_bag(fired.remainder_(neurons), columns, starts, mode="sum", per_sample_weights=values)
