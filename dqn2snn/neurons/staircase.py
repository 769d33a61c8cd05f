"""How many spikes at once: the firing decision of graded neurons, with a gradient for fine-tuning."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def spike_range(count: Tensor, max_spikes: int, signed: bool, max_count: int | None) -> tuple[Tensor, Tensor]:
    """The fewest and the most spikes that a neuron may send in a step.

        lowest = -min(k, N) if signed, else 0;    highest = min(k, L - N)

    Args:
        count: N, spikes that the neuron has sent so far, those taken back subtracted.
        max_spikes: k.
        signed: Whether it may take spikes back.
        max_count: L, or None for no limit.

    Returns:
        tuple[Tensor, Tensor]: Both in the shape of `count`.

    Example:
        >>> spike_range(torch.tensor([0.0, 1.0, 7.0]), 4, True, 8)
        (tensor([-0., -1., -4.]), tensor([4., 4., 1.]))
    """
    lowest = -count.floor().clamp(max=max_spikes) if signed else torch.zeros_like(count)
    if max_count is None:
        return lowest, torch.full_like(count, max_spikes)
    return lowest, (max_count - count).clamp(max=max_spikes)


class _Fire(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, lowest: Tensor, highest: Tensor) -> Tensor:
        spikes = torch.floor(x)
        ctx.save_for_backward((spikes >= lowest) & (spikes <= highest) & (lowest < highest))
        return spikes.clamp(lowest, highest)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (inside,) = ctx.saved_tensors
        return gradient * inside, None, None


class Staircase:
    """`s = clip(floor(x), lowest, highest)`, straight through inside the range.

    The gradient is that of `clip` alone, as if there were no `floor` (Bu et al. 2022, arXiv 2303.04347): 1 where the
    neuron sends what its membrane calls for, 0 where it may not. With reset by subtraction a current then has the
    gradient of a rate: it changes the spikes of its own step, or what is left for later steps, and never both.

    Example:
        >>> x = torch.tensor([-0.5, 0.5, 2.5, 9.5], requires_grad=True)
        >>> spikes = Staircase()(x, torch.zeros(4), torch.full((4,), 4.0))
        >>> spikes.sum().backward()
        >>> spikes.tolist(), x.grad.tolist()
        ([0.0, 0.0, 2.0, 4.0], [0.0, 1.0, 1.0, 0.0])
    """

    def __call__(self, x: Tensor, lowest: Tensor, highest: Tensor) -> Tensor:
        """Whole numbers of spikes, in the dtype of `x` = v / threshold."""
        return _Fire.apply(x, lowest, highest)  # type: ignore[no-any-return, no-untyped-call]

    def __repr__(self) -> str:
        return "Staircase()"
