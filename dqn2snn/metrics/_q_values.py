"""Q-values of two networks on the same observations, checked before any metric uses them."""

from __future__ import annotations

import torch
from torch import Tensor

from dqn2snn.errors import ArgumentError


def checked_pair(q_dqn: Tensor, q_snn: Tensor) -> tuple[Tensor, Tensor]:
    """Bring two sets of Q-values to float64 on the CPU, and refuse what cannot be compared.

    Args:
        q_dqn: [B, A] Q-values of the DQN.
        q_snn: [B, A] Q-values of the spiking network on the same observations.

    Returns:
        Both, detached.

    Raises:
        ArgumentError: If the shapes differ or are not [B, A] with B, A >= 1, or a value is not finite.
    """
    if q_dqn.dim() != 2 or q_dqn.shape != q_snn.shape or q_dqn.numel() == 0:
        raise ArgumentError(
            f"Expected two sets of Q-values [B, A] of one shape. Found {tuple(q_dqn.shape)} for the DQN and "
            f"{tuple(q_snn.shape)} for the SNN. Pass both networks the same non-empty batch."
        )
    for name, q in (("DQN", q_dqn), ("SNN", q_snn)):
        if not bool(torch.isfinite(q).all()):
            raise ArgumentError(
                f"Expected finite Q-values. Found NaN or infinity from the {name}. "
                "Check its weights and the observations."
            )
    return q_dqn.detach().cpu().double(), q_snn.detach().cpu().double()
