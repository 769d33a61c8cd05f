"""One layer after the other, in chunks of time, in float32.

A feed-forward network needs no step loop around its layers: all spikes of a layer over a chunk of time are
one batch for the next layer's convolution or matrix product. What remains serial is the scan over time within
a layer, a few element-wise operations. The first layer's current is computed once. Memory is bounded by the
chunk, whatever the number of steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from tqdm.auto import tqdm

from dqn2snn.dynamics import initial_membrane
from dqn2snn.encode import constant_current
from dqn2snn.engine.lookup import looked_up
from dqn2snn.ops import Dense, Reshape
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.record import Record, readouts

__all__ = ["simulate_layerwise"]

_ROWS = 512
"""Samples times steps of one chunk: about what a convolution needs to run at full speed."""

_BATCH = 128
"""Samples that are simulated at once."""

_RARE = 0.125
"""Spikes per neuron and step below which looking up the columns of a matrix beats multiplying with it."""

_WIDE = 128
"""Outputs that a matrix needs for that."""


def simulate_layerwise(
    plan: SpikingPlan,
    observations: Tensor,
    num_steps: int,
    *,
    spikes: bool = False,
    dtype: torch.dtype = torch.float32,
    progress: bool = False,
) -> Record:
    """Simulate layer by layer; on the grid the spikes are those of `simulate_reference`.

    Args:
        plan: The spiking network.
        observations: `[B, *input_shape]`.
        num_steps: T.
        spikes: Keep every spike of every layer.
        dtype: float32 or float64; the same spikes on the grid.
        progress: Show a progress bar.

    Returns:
        Record: In `dtype`.
    """
    batches = observations.split(_BATCH)
    bar = tqdm(batches, desc="simulate", leave=False, disable=not progress)
    return Record.join([_simulate(plan, batch, num_steps, spikes, dtype) for batch in bar])


@dataclass
class _Layer:
    """A layer while it is simulated.

    Attributes:
        plan: What it is.
        wide: Whether it has a matrix whose columns are worth looking up.
        membrane: `[B, *shape]`.
        counts: Spikes so far, `[B, *shape]`.
        fired: Memory for the spikes of a chunk, `[c, B, *shape]`; new memory for every chunk costs page faults.
        kept: All spikes so far, if they were asked for.
    """

    plan: SpikingLayer
    wide: bool
    membrane: Tensor
    counts: Tensor
    fired: Tensor
    kept: list[Tensor] | None

    @cached_property
    def columns(self) -> Tensor:
        """The transposed matrix."""
        return self.plan.affine.weight.t().contiguous()

    def currents(self, spikes: Tensor) -> Tensor:
        """What spikes `[c, B, *in_shape]` of the layer before cause, `[c, B, *shape]`."""
        flat = spikes.flatten(0, 1)
        if self.wide and float(flat.mean()) < _RARE:
            currents = looked_up(self.columns, flat.flatten(1)) + self.plan.affine.bias
        else:
            currents = self.plan.affine(flat)
        unflat: Tensor = currents.unflatten(0, spikes.shape[:2])
        return unflat

    def run(self, currents: Tensor, membranes: list[Tensor] | None = None) -> Tensor:
        """Scan currents `[c, B, *shape]` (or one constant current for all, expanded) over time to spikes."""
        theta, v = self.plan.threshold, self.membrane
        fired = self.fired[: len(currents)]
        for current, spike in zip(currents, fired, strict=True):
            v += current
            torch.ge(v, theta, out=spike)
            if self.plan.reset == "subtract":
                v.addcmul_(spike, theta, value=-1)
            else:
                torch.where(spike > 0, self.plan.v_init, v, out=v)
            if membranes is not None:
                membranes.append(v.clone())
        self.counts += torch.sum(fired, 0, out=torch.empty_like(v))  # which is slow in another layout
        if self.kept is not None:
            self.kept.append(fired.bool())
        return fired


def _simulate(
    plan: SpikingPlan, observations: Tensor, num_steps: int, spikes: bool, dtype: torch.dtype
) -> Record:
    batch = len(observations)
    chunk = min(num_steps, max(1, _ROWS // max(1, batch)))
    layers = [
        _start(layer.cast(dtype, observations.device), batch, chunk, spikes, _wanted_layout(following))
        for layer, following in zip(plan.all_layers, (*plan.all_layers[1:], None), strict=True)
    ]
    constant = constant_current(plan, observations).to(dtype)
    constant = constant.contiguous(memory_format=_layout(layers[0].membrane))
    trains: list[Tensor] = []
    membranes: list[Tensor] = []
    for start in range(0, num_steps, chunk):
        steps = min(chunk, num_steps - start)
        fired = layers[0].run(constant.expand(steps, *constant.shape))
        for layer in layers[1:]:
            fired = layer.run(layer.currents(fired), membranes if layer is layers[-1] else None)
        trains.append(fired.clone())
    q, q_spike = readouts(plan, torch.cat(trains), torch.stack(membranes))
    kept = tuple(torch.cat(layer.kept) for layer in layers if layer.kept is not None) if spikes else None
    return Record(num_steps, plan.layer_names, q, q_spike, tuple(layer.counts for layer in layers), kept)


def _start(layer: SpikingLayer, batch: int, chunk: int, spikes: bool, layout: torch.memory_format) -> _Layer:
    membrane = initial_membrane(layer, batch).contiguous(memory_format=layout)
    # Laid out like the membrane, so that the next layer needs no copy.
    flat = torch.empty(
        (chunk * batch, *layer.shape), dtype=membrane.dtype, device=membrane.device, memory_format=layout
    )
    return _Layer(
        plan=layer,
        wide=_is_wide(layer, chunk * batch),
        membrane=membrane,
        counts=torch.zeros_like(membrane),
        fired=flat.unflatten(0, (chunk, batch)),
        kept=[] if spikes else None,
    )


def _is_wide(layer: SpikingLayer, rows: int) -> bool:
    """Whether a layer only multiplies spikes with a matrix, one that pays for its transposed copy."""
    *before, last = layer.affine.ops
    if not isinstance(last, Dense) or not all(isinstance(op, Reshape) for op in before):
        return False
    weight = last.weight
    return weight.is_cpu and weight.dtype == torch.float32 and len(weight) >= _WIDE and 2 * rows >= _ROWS


def _wanted_layout(following: SpikingLayer | None) -> torch.memory_format:
    """Channels last where images meet another convolution; a reshape to a vector reads them row by row."""
    if (
        following is None
        or len(following.affine.in_shape) != 3
        or isinstance(following.affine.ops[0], Reshape)
    ):
        return torch.contiguous_format
    return torch.channels_last


def _layout(x: Tensor) -> torch.memory_format:
    images = x.ndim == 4 and not x.is_contiguous()
    return torch.channels_last if images else torch.contiguous_format
