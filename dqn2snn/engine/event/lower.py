"""From a chain of linear operations to the fields that the event engine reads.

The engine knows one kind of synapse: each output pixel reads some runs of input pixels, and every channel of a
pixel meets one row of weights. Convolutions, matrices, poolings and paddings are all of that kind:

* a *tap* is a matrix `[in_channels, out_channels]` of weights, for instance one pixel of a kernel;
* a *link* says that an output pixel reads an input pixel through a tap;
* a *run* is a stretch of links whose input pixels are neighbours in memory; its taps, stacked, are a block of
  weight rows, which output pixels share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from dqn2snn.plan.graph import AffineLayer
from dqn2snn.plan.ops import Conv, Dense, LinearOp, Pad, Reshape, Shape, SumPool

_Ints = NDArray[np.int64]
_Reals = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Synapses:
    """The synapses between two layers, pixel by pixel.

    Attributes:
        fields: `[pixels + 1]` uint32, where the runs of each output pixel start.
        runs: `[R, 3]` uint32: first input pixel, length, first weight row.
        weights: `[rows, channels]` float64.
        repeats_rows: Whether two runs of an output pixel share a weight row.
    """

    fields: NDArray[np.uint32]
    runs: NDArray[np.uint32]
    weights: _Reals
    repeats_rows: bool


class _Links(NamedTuple):
    """Links, `[L]` each: which output pixel reads which input pixel, and through which tap."""

    output: _Ints
    input: _Ints
    tap: _Ints


def image(shape: Shape) -> tuple[int, int, int]:
    """A shape as (channels, height, width); what is no image is one pixel."""
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 else (math.prod(shape), 1, 1)


def lower(affine: AffineLayer) -> Synapses | str:
    """The synapses of an affine map, or why they cannot be written as fields.

    Args:
        affine: The map, in float64 on the CPU.

    Returns:
        Synapses | str: A string is a reason for people.
    """
    index = next(i for i, op in enumerate(affine.ops) if isinstance(op, (Conv, Dense)))
    before, op, after = affine.ops[:index], affine.ops[index], affine.ops[index + 1 :]
    shapes = _shapes(before, affine.in_shape)
    if isinstance(shapes, str):
        return shapes
    if isinstance(op, Conv):
        links, height, width = _convolution(op, shapes[-1])
        taps = _kernel(op)
    elif isinstance(op, Dense):
        channels, height, width = image(shapes[-1])
        pixels = height * width
        links, height, width = _Links(np.zeros(pixels, np.int64), np.arange(pixels), np.arange(pixels)), 1, 1
        taps = op.weight.numpy().reshape(-1, channels, pixels).transpose(2, 1, 0)
    for pooling, shape in zip(reversed(before), reversed(shapes[:-1]), strict=True):
        links = _behind(pooling, links, shape)
    for pooling in after:
        if not isinstance(pooling, (SumPool, Pad)):
            return "it reshapes what the weights give"
        links, height, width = _in_front(pooling, links, height, width)
    links, taps = _merged(links, np.ascontiguousarray(taps))
    return _fields(links, taps, height * width)


def _shapes(ops: tuple[LinearOp, ...], shape: Shape) -> list[Shape] | str:
    """The shapes before and after each operation; a flattened image stays an image of pixels."""
    shapes = [shape]
    for op in ops:
        channels, height, width = image(shapes[-1])
        if isinstance(op, Reshape):
            if len(op.shape) == 3 and op.shape != image(shapes[-1]):
                return f"it reshapes neurons of shape {list(shapes[-1])} to {list(op.shape)}"
            shapes.append(shapes[-1])
        elif isinstance(op, SumPool):
            shapes.append((channels, *_pooled(op, height, width)))
        elif isinstance(op, Pad):
            left, right, top, bottom = op.widths
            shapes.append((channels, height + top + bottom, width + left + right))
    return shapes


def _pooled(op: SumPool, height: int, width: int) -> tuple[int, int]:
    (kh, kw), (sh, sw), (ph, pw) = op.kernel, op.stride, op.padding
    return (height + 2 * ph - kh) // sh + 1, (width + 2 * pw - kw) // sw + 1


def _windows(
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
) -> tuple[_Links, int, int]:
    """The links of a sliding window over an image, and the size of what it gives."""
    (h, w), (kh, kw), (sh, sw), (ph, pw), (dh, dw) = size, kernel, stride, padding, dilation
    out_h, out_w = (h + 2 * ph - dh * (kh - 1) - 1) // sh + 1, (w + 2 * pw - dw * (kw - 1) - 1) // sw + 1
    oy, ox, ky, kx = np.indices((out_h, out_w, kh, kw)).reshape(4, -1)
    y, x = oy * sh - ph + ky * dh, ox * sw - pw + kx * dw
    inside = (y >= 0) & (y < h) & (x >= 0) & (x < w)
    links = _Links((oy * out_w + ox)[inside], (y * w + x)[inside], (ky * kw + kx)[inside])
    return links, out_h, out_w


def _convolution(op: Conv, shape: Shape) -> tuple[_Links, int, int]:
    _, height, width = image(shape)
    kernel = (op.weight.shape[2], op.weight.shape[3])
    return _windows((height, width), kernel, op.stride, op.padding, op.dilation)


def _kernel(op: Conv) -> _Reals:
    """Taps `[kh * kw, in_channels, out_channels]`; between groups there are zeros."""
    out_channels, group_inputs, kh, kw = op.weight.shape
    group_outputs = out_channels // op.groups
    taps = torch.zeros(kh * kw, group_inputs * op.groups, out_channels, dtype=torch.float64)
    for g in range(op.groups):
        rows = slice(g * group_inputs, (g + 1) * group_inputs)
        columns = slice(g * group_outputs, (g + 1) * group_outputs)
        taps[:, rows, columns] = op.weight[columns].flatten(2).permute(2, 1, 0)
    return taps.numpy()


def _behind(op: LinearOp, links: _Links, shape: Shape) -> _Links:
    """Links to what an operation gives, as links to what it takes, an image of `shape`."""
    _, height, width = image(shape)
    if isinstance(op, SumPool):
        windows, *_ = _windows((height, width), op.kernel, op.stride, op.padding)
        return _joined(links, windows)
    if isinstance(op, Pad):
        left, right, top, _ = op.widths
        y, x = np.divmod(links.input, width + left + right)
        y, x = y - top, x - left
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        return _Links(links.output[inside], (y * width + x)[inside], links.tap[inside])
    return links


def _in_front(op: SumPool | Pad, links: _Links, height: int, width: int) -> tuple[_Links, int, int]:
    """Links of an operation that follows, and the size of what it gives."""
    if isinstance(op, SumPool):
        windows, out_h, out_w = _windows((height, width), op.kernel, op.stride, op.padding)
        to_pool = _Links(windows.output, windows.input, np.zeros_like(windows.tap))
        return _joined(to_pool, links, use_second_tap=True), out_h, out_w
    left, right, top, bottom = op.widths
    y, x = np.divmod(links.output, width)
    out_h, out_w = height + top + bottom, width + left + right
    inside = (y + top >= 0) & (y + top < out_h) & (x + left >= 0) & (x + left < out_w)
    output = ((y + top) * out_w + x + left)[inside]
    return _Links(output, links.input[inside], links.tap[inside]), out_h, out_w


def _joined(first: _Links, second: _Links, use_second_tap: bool = False) -> _Links:
    """All paths output - middle - input, where the inputs of `first` are the outputs of `second`."""
    order = np.argsort(second.output, kind="stable")
    keys = second.output[order]
    start, stop = np.searchsorted(keys, first.input, "left"), np.searchsorted(keys, first.input, "right")
    repeats = stop - start
    left = np.repeat(np.arange(len(first.input)), repeats)
    offsets = np.arange(len(left)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    right = order[np.repeat(start, repeats) + offsets]
    tap = second.tap[right] if use_second_tap else first.tap[left]
    return _Links(first.output[left], second.input[right], tap)


def _merged(links: _Links, taps: _Reals) -> tuple[_Links, _Reals]:
    """At most one link between two pixels: taps that act together are added up to a new one."""
    order = np.lexsort((links.tap, links.input, links.output))
    output, source, tap = links.output[order], links.input[order], links.tap[order]
    starts = np.flatnonzero(np.diff(output, prepend=-1) | np.diff(source, prepend=-1))
    if len(starts) == len(output):
        return _Links(output, source, tap), taps
    bounds = [*starts.tolist(), len(tap)]
    together = [tuple(tap[a:b].tolist()) for a, b in pairwise(bounds)]
    names = {taps_: i for i, taps_ in enumerate(dict.fromkeys(together))}
    summed = np.stack([taps[list(taps_)].sum(0) for taps_ in names])
    return _Links(output[starts], source[starts], np.array([names[t] for t in together])), summed


def _fields(links: _Links, taps: _Reals, pixels: int) -> Synapses:
    """Cut the links, sorted by output and input, into runs, and lay out the weight rows that they need."""
    breaks = (np.diff(links.output, prepend=-1) != 0) | (np.diff(links.input, prepend=-2) != 1)
    starts = np.flatnonzero(breaks)
    bounds = [*starts.tolist(), len(links.tap)]
    sequences = [tuple(links.tap[a:b].tolist()) for a, b in pairwise(bounds)]
    places, order = _blocks(sequences)
    rows = np.array([places[sequence] for sequence in sequences], np.int64) * taps.shape[1]
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    runs = np.stack([links.input[starts], lengths, rows], axis=1).astype(np.uint32)
    fields = np.searchsorted(links.output[starts], np.arange(pixels + 1)).astype(np.uint32)
    weights = np.ascontiguousarray(taps[order].reshape(-1, taps.shape[2]))
    return Synapses(fields, runs, weights, _repeats(fields, runs, taps.shape[1]))


def _blocks(sequences: list[tuple[int, ...]]) -> tuple[dict[tuple[int, ...], int], list[int]]:
    """A list of taps in which every sequence is found, and where; parts of others need no place of their own."""
    places: dict[tuple[int, ...], int] = {}
    order: list[int] = []
    text = ","
    for sequence in sorted(set(sequences), key=len, reverse=True):
        key = "".join(f"{tap}," for tap in sequence)
        found = text.find("," + key)
        if found >= 0:
            places[sequence] = text.count(",", 0, found)
        else:
            places[sequence] = len(order)
            order.extend(sequence)
            text += key
    return places, order


def _repeats(fields: NDArray[np.uint32], runs: NDArray[np.uint32], channels: int) -> bool:
    """Whether two runs of some output pixel overlap in their rows."""
    counts = (fields[1:] - fields[:-1]).astype(np.int64)
    output = np.repeat(np.arange(len(counts)), counts)
    first, last = runs[:, 2].astype(np.int64), runs[:, 2] + runs[:, 1].astype(np.int64) * channels
    order = np.lexsort((first, output))
    same = output[order][1:] == output[order][:-1]
    return bool((same & (first[order][1:] < last[order][:-1])).any())
