"""The error that a neuron makes by sending a number in whole spikes.

A neuron that is to send u spikes sends N = clip(floor(u + phi), 0, most). Where its input is exact, the error
N - u is known. Behind other spiking layers its input is off by about s spikes, so that it sends

    N = clip(floor(u + s xi + phi), 0, most),    xi normal.

The part s xi is the error of the layers before, passed on. The rest is the neuron's own, and has a
mean, which many observations may share, and a variance. Far from 0 and from `most`, with s of one half and
more, they are phi - 1/2 and 1/12, the usual model of quantisation; with small s the mean is the rounding error
of u itself, and the variance nothing. A neuron far below zero has neither.

N is a sum over jumps, one at every whole number k from 1 to `most`, so that

    E N = sum_k P(u + s xi + phi >= k),    Cov(N, xi) = sum_k pdf((k - phi - u) / s),

of which the two jumps nearest on either side are enough.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Moments", "known_error", "own_error"]

_LEAST_SPREAD = 1e-3
_UNIFORM_SPREAD = 0.6
"""From here on the rounding error is uniform: its mean is below 0.0003 spikes."""


class Moments(NamedTuple):
    """Mean and variance of an error, in spikes.

    Attributes:
        mean: Expected error.
        variance: About it.
    """

    mean: Tensor
    variance: Tensor


def known_error(u: Tensor, phase: Tensor, most: int) -> Tensor:
    """The error of neurons that are to send exactly u spikes.

    Args:
        u: Spikes to send, negative where the neuron is to be silent.
        phase: phi, V(0) over the threshold.
        most: Spikes that the neuron can send.

    Returns:
        Tensor: In spikes.

    Example:
        >>> known_error(torch.tensor([-3.0, 0.4, 1.6, 9.0]), torch.tensor(0.5), most=8)
        tensor([ 0.0000, -0.4000,  0.4000, -1.0000])
    """
    return torch.floor(u + phase).clamp_(0, most) - u.clamp(min=0)


def own_error(u: Tensor, spread: Tensor, phase: Tensor, most: int) -> Moments:
    """Mean and variance of a neuron's own error, given how uncertain its input is.

    Args:
        u: Spikes to send.
        spread: s, standard deviation of the error that comes in, in spikes; broadcasts to u.
        phase: phi.
        most: Spikes that the neuron can send.

    Returns:
        Moments: Shaped like u.

    Example:
        >>> moments = own_error(torch.tensor([-9.0, 5.2]), torch.tensor(0.5), torch.tensor(0.5), most=8)
        >>> [round(float(v), 2) for v in moments.variance]
        [0.0, 0.08]
    """
    spread = spread.clamp(min=_LEAST_SPREAD)
    s = spread.clamp(max=_UNIFORM_SPREAD)
    nearest = torch.floor(u + phase)
    mean = nearest.clamp(0, most)
    square = torch.zeros_like(u)  # of N less `base`
    slope = torch.zeros_like(u)
    base = mean
    for side in (1.0, -1.0):
        passed = torch.zeros_like(u)  # jumps between `base` and this one
        for order in (0, 1):
            level = nearest + (order + 1 if side > 0 else -order)  # N jumps to it from below
            possible = (level >= 1) & (level <= most)
            distance = (level - phase - u) / s
            crossed = torch.where(possible, _cdf(-side * distance), 0.0)
            mean = mean + side * crossed
            square = square + (2 * passed + 1) * crossed
            slope = slope + torch.where(possible, _pdf(distance), 0.0)
            passed = passed + possible
    spikes = square - (mean - base).square()
    own = spikes - 2 * s * slope + s.square()
    wider = _reach(u, spread, most) - _reach(u, s, most)
    return Moments(mean + wider - u.clamp(min=0), torch.minimum(own, spikes).clamp(min=0))


def _reach(u: Tensor, spread: Tensor, most: int) -> Tensor:
    """E clip(x, 0, most) for x normal about u."""
    return _above(u, spread) - _above(u - most, spread)


def _above(u: Tensor, spread: Tensor) -> Tensor:
    ratio = u / spread
    return spread * _pdf(ratio) + u * _cdf(ratio)


def _cdf(x: Tensor) -> Tensor:
    return 0.5 * torch.erfc(x * -math.sqrt(0.5))


def _pdf(x: Tensor) -> Tensor:
    return torch.exp(-0.5 * x.square()) / math.sqrt(2 * math.pi)
