"""Refuses records that a readout would silently misread."""

from __future__ import annotations

from torch import Tensor

from dqn2snn.errors import ArgumentError


def check_records(spk_rec: Tensor, mem_rec: Tensor, buffers: dict[str, tuple[int, ...]]) -> None:
    """Refuse records of different or impossible shapes, and buffers that do not fit one step.

    Args:
        spk_rec: Should be [T, B, ...].
        mem_rec: Should be of the same shape.
        buffers: Names and shapes of what has to broadcast to [B, ...].

    Raises:
        ArgumentError: If something does not fit.
    """
    if spk_rec.shape != mem_rec.shape:
        raise ArgumentError(
            f"Expected `spk_rec` and `mem_rec` of one shape [T, B, ...]. Found {tuple(spk_rec.shape)} and "
            f"{tuple(mem_rec.shape)}. Stack both over all T steps; with the last membrane only, call "
            "robust_rate(spk_rec.sum(0), mem, num_steps)."
        )
    if spk_rec.dim() < 2 or len(spk_rec) == 0:
        raise ArgumentError(
            f"Expected records [T, B, ...] of at least one step. Found shape {tuple(spk_rec.shape)}. "
            "Stack the steps along a new first dimension."
        )
    step = spk_rec.shape[1:]
    for name, shape in buffers.items():
        if len(shape) > len(step) or any(
            size not in (1, of) for size, of in zip(reversed(shape), reversed(step), strict=False)
        ):
            raise ArgumentError(
                f"Expected `{name}` to broadcast to one step, {tuple(step)}. Found shape {shape}. "
                "Pass a float, or one value per output neuron."
            )
