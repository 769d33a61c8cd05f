"""Exact order statistics of a stream, in bounded memory, by radix selection.

A float32 number maps to an int32 key of the same order. Three passes over the stream fix eleven,
eleven and ten bits of the wanted keys with histograms of at most 2048 bins, so the result is exact to the
last bit while the memory does not depend on the length of the stream.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_SHIFTS = (21, 10, 0)
_BITS = (11, 11, 10)
_HALF = 1 << (_BITS[0] - 1)  # the first digit is signed
PASSES = len(_SHIFTS)
"""Number of passes over the stream."""


@dataclass(frozen=True, eq=False)
class Selection:
    """Order statistics being narrowed down.

    Attributes:
        ranks: `[G, R]`, the wanted ranks of each group, from 0, within what shares the prefix so far.
        prefix: `[G, R]`, the bits of the wanted keys that are known.
        histogram: `[G, R, bins]`, counts of the next bits among the keys with that prefix.
        stage: Number of passes done.
    """

    ranks: Tensor
    prefix: Tensor
    histogram: Tensor
    stage: int


def begin(ranks: Tensor) -> Selection:
    """Start a selection of `ranks` `[G, R]` (int64, from 0) for G groups."""
    return Selection(ranks, torch.zeros_like(ranks), _empty(ranks, 0), 0)


def observe(selection: Selection, values: Tensor) -> None:
    """Count a batch of float32 values `[G, N]` of every group into the histograms, in place."""
    keys = _keys(values.contiguous())
    if selection.stage == 0:  # No bits are known yet, so all ranks share one histogram.
        selection.histogram.add_(_counts((keys >> _SHIFTS[0]) + _HALF)[:, None])
        return
    shift, bits = _SHIFTS[selection.stage], _BITS[selection.stage]
    above = keys >> (shift + bits)
    counts: Tensor | None = None
    for r in range(selection.ranks.shape[1]):
        prefix = selection.prefix[:, r : r + 1]
        if counts is None or not torch.equal(prefix, selection.prefix[:, r - 1 : r]):
            group, position = torch.nonzero(above == prefix, as_tuple=True)
            digits = (keys[group, position] >> shift) & ((1 << bits) - 1)
            slots = torch.bincount((group << bits) + digits, minlength=len(keys) << bits)
            counts = slots.reshape(len(keys), 1 << bits)
        selection.histogram[:, r] += counts


def _counts(digits: Tensor) -> Tensor:
    """Histogram of the first digits of each group, `[G, bins]`."""
    bins = 1 << _BITS[0]
    offsets = torch.arange(len(digits)).reshape(-1, 1) * bins
    return torch.bincount((digits + offsets).flatten(), minlength=len(digits) * bins).reshape(-1, bins)


def narrow(selection: Selection) -> Selection:
    """Fix the next bits of the wanted keys, at the end of a pass."""
    cumulative = selection.histogram.cumsum(-1)
    digit = (cumulative <= selection.ranks[..., None]).sum(-1)
    below = torch.where(digit > 0, cumulative.gather(-1, (digit - 1).clamp(min=0)[..., None])[..., 0], 0)
    known = digit - _HALF if selection.stage == 0 else (selection.prefix << _BITS[selection.stage]) | digit
    ranks = selection.ranks - below
    return Selection(ranks, known, _empty(ranks, selection.stage + 1), selection.stage + 1)


def finish(selection: Selection) -> Tensor:
    """The selected float32 values `[G, R]` after all passes."""
    return _flip(selection.prefix.to(torch.int32)).view(torch.float32)


def _empty(ranks: Tensor, stage: int) -> Tensor:
    bins = 1 << _BITS[stage] if stage < PASSES else 0
    return torch.zeros(*ranks.shape, bins, dtype=torch.int64)


def _keys(values: Tensor) -> Tensor:
    """Map float32 to int32 of the same order; adding 0.0 gives -0.0 the key of 0.0."""
    return _flip((values + 0.0).view(torch.int32))


def _flip(bits: Tensor) -> Tensor:
    """Complement the magnitude of what has the sign bit set: its own inverse."""
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)
