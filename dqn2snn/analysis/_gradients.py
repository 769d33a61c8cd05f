"""Derivatives of Q-values."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def gradients_by_action(q: Tensor, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Differentiate the Q-value of each action with respect to several inputs.

    Args:
        q: Q-values `[B, A]`, each row made from the same row of the inputs.
        inputs: Tensors `[B, *shape]` that `q` was made from, with history.

    Returns:
        dQ / dinput for each input, `[B, A, neurons]`.

    Example:
        >>> x = torch.tensor([[1.0, 2.0]], requires_grad=True)
        >>> gradients_by_action(torch.stack([x.sum(1), x.square().sum(1)], 1), [x])
        (tensor([[[1., 1.],
                 [2., 4.]]]),)
    """
    last = q.shape[1] - 1
    rows = [
        torch.autograd.grad(q[:, action].sum(), inputs, retain_graph=action < last)
        for action in range(last + 1)
    ]
    return tuple(torch.stack([row.flatten(1) for row in column], 1) for column in zip(*rows, strict=True))
