"""The slope of the charge: a readout whose error falls with T^-1.5 instead of T^-1."""

from __future__ import annotations

import torch
from torch import Tensor

from dqn2snn.dynamics.readout.functional import robust_rate
from dqn2snn.dynamics.readout.modules import RobustRate


def rate_slope(rates: Tensor) -> Tensor:
    """Least-squares slope of the charge over time, after every step; the equation is at `RobustSlope`.

    Args:
        rates: `[T, ...]` robust rates (or spike counts per step) after 1..T steps.

    Returns:
        `[T, ...]` slopes, in the dtype of the rates; summed in float64.

    Example:
        >>> rate_slope(torch.tensor([1.0, 0.5, 0.6667]))
        tensor([1.0000, 0.6000, 0.6429])
    """
    steps = torch.arange(1, len(rates) + 1, dtype=torch.float64, device=rates.device)
    weights = (steps * steps).reshape(-1, *(1 for _ in rates.shape[1:]))
    return ((weights * rates).cumsum(0) / weights.cumsum(0)).to(rates.dtype)


class RobustSlope(RobustRate):
    r"""Slope of the charge that reaches a neuron, by least squares through the origin, times `scale`.

        slope = sum_t t C(t) / sum_t t^2,      C(t) = N(t) + (V(t) - V(0)) / threshold = t r(t),

    with r the robust rate. Under a constant observation the neurons of a rate code round: C(t) = t Q + e(t), where e
    is the rounding error of the spikes before, which stays bounded and hardly depends on itself a few steps later.
    The robust rate C(T) / T takes all of e(T); the slope averages it over time, so that its error falls with T^-1.5.
    (A spiking neuron is a first-order sigma-delta modulator, and the plain average the worst of its decoders: J. Candy,
    G. Temes, Oversampling Delta-Sigma Data Converters, 1992.) No spike changes, and a chip needs one more accumulator
    per action, which adds t C(t) at each step.

    Args:
        threshold: As of `RobustRate`.
        v_init: As of `RobustRate`.
        scale: As of `RobustRate`.
        membrane: As of `RobustRate`.

    Example:
        >>> spk_rec = torch.tensor([[0.0], [1.0], [0.0], [1.0]])
        >>> mem_rec = torch.tensor([[0.6], [0.2], [0.8], [0.4]])  # a current of 0.6 per step
        >>> RobustSlope()(spk_rec, mem_rec)
        tensor([0.6000])
    """

    def _read(self, spk_rec: Tensor, mem_rec: Tensor) -> Tensor:
        counts = spk_rec.cumsum(0)
        if self.membrane == "before_reset":
            counts = counts - spk_rec
        steps = torch.arange(1, len(mem_rec) + 1, dtype=mem_rec.dtype, device=mem_rec.device)
        rates = robust_rate(
            counts,
            mem_rec,
            steps.reshape(-1, *(1 for _ in mem_rec.shape[1:])),
            threshold=self.threshold,
            v_init=self.v_init,
            scale=self.scale,
        )
        return rate_slope(rates)[-1]
