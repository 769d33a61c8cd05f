"""Thresholds and initial membranes as both libraries' neurons keep them."""

from __future__ import annotations

import torch
from torch import Tensor


def neuron_buffers(threshold: float | Tensor, v_init: float | Tensor) -> tuple[Tensor, Tensor]:
    """Threshold and initial membrane of one floating dtype, on one device, in memory of their own.

    A threshold of whole numbers would stay an integer buffer, which `.half()` and `.double()` leave alone.

    Args:
        threshold: Scalar or tensor.
        v_init: Likewise; takes the dtype and the device of the threshold.

    Returns:
        tuple[Tensor, Tensor]: The buffers.

    Example:
        >>> neuron_buffers(1, 0.5)
        (tensor(1.), tensor(0.5000))
    """
    theta = torch.as_tensor(threshold).detach()
    if not theta.is_floating_point() or not isinstance(threshold, Tensor):
        theta = theta.to(torch.get_default_dtype())
    start = torch.as_tensor(v_init, dtype=theta.dtype, device=theta.device).detach()
    return theta.clone(), start.clone()
