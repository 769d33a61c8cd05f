"""The three readouts as pure functions of totals: spike counts, last membrane, number of steps."""

from __future__ import annotations

from torch import Tensor


def spike_count(count: Tensor, num_steps: int | Tensor, *, scale: float | Tensor = 1.0) -> Tensor:
    """Firing rate N / T, times `scale`.

    Args:
        count: [B, ...] spikes of each neuron in `num_steps` steps.
        num_steps: Number of steps T, or a tensor of them that broadcasts.
        scale: Units of the result; broadcasts to `count`.

    Returns:
        [B, ...] scaled rates, between 0 and `scale`.

    Example:
        >>> import torch
        >>> spike_count(torch.tensor([[3.0, 0.0]]), 4)
        tensor([[0.7500, 0.0000]])
    """
    return count / num_steps * scale


def membrane_potential(
    membrane: Tensor,
    num_steps: int | Tensor,
    *,
    threshold: float | Tensor = 1.0,
    v_init: float | Tensor = 0.0,
    scale: float | Tensor = 1.0,
) -> Tensor:
    """Mean input current (V(T) - V(0)) / (T threshold) of a neuron that is never reset, times `scale`.

    Args:
        membrane: [B, ...] membrane potentials after `num_steps` steps.
        num_steps: Number of steps T, or a tensor of them that broadcasts.
        threshold: Unit of the membrane, above 0.
        v_init: Membrane potential before the first step.
        scale: Units of the result.

    Returns:
        [B, ...] scaled mean currents.

    Example:
        >>> import torch
        >>> membrane_potential(torch.tensor([[2.0, -1.0]]), 4)
        tensor([[ 0.5000, -0.2500]])
    """
    return (membrane - v_init) / (num_steps * threshold) * scale


def robust_rate(
    count: Tensor,
    membrane: Tensor,
    num_steps: int | Tensor,
    *,
    threshold: float | Tensor = 1.0,
    v_init: float | Tensor = 0.0,
    scale: float | Tensor = 1.0,
) -> Tensor:
    """Robust firing rate (N threshold + V(T) - V(0)) / (T threshold), times `scale`.

    The equation and its proof are at `RobustRate`.

    Args:
        count: [B, ...] spikes of each neuron in `num_steps` steps.
        membrane: [B, ...] membrane potentials after the last step's reset.
        num_steps: Number of steps T, or a tensor of them that broadcasts.
        threshold: What a spike takes from the membrane, above 0.
        v_init: Membrane potential before the first step.
        scale: Units of the result.

    Returns:
        [B, ...] scaled robust rates.

    Example:
        Norse's `Lift` returns the spikes of all steps and the state after the last, which is enough:
        ``robust_rate(spikes.sum(0), state.v, len(spikes))``.

        >>> import torch
        >>> robust_rate(torch.tensor([2.0, 0.0]), torch.tensor([0.4, -1.6]), 4)
        tensor([ 0.6000, -0.4000])
    """
    return (count * threshold + membrane - v_init) / (num_steps * threshold) * scale
