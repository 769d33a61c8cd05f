"""One layer after the other, in chunks of time, in float32.

A feed-forward network needs no step loop around its layers: all spikes of a layer over a chunk of time are
one batch for the next layer's convolution or matrix product. What remains serial is the scan over time within
a layer, a few element-wise operations. The first layer's current is computed once. Memory is bounded by the
chunk, whatever the number of steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, repeat
from typing import Final

import torch
from torch import Tensor

from dqn2snn._utils.progress import progress_bar
from dqn2snn.dynamics.encode import constant_current
from dqn2snn.dynamics.neuron import grown, kept
from dqn2snn.dynamics.record import Record, readouts
from dqn2snn.engine.latency import simulate_windows
from dqn2snn.engine.lookup import looked_up
from dqn2snn.engine.simulation import Engine, Host, Simulation, StatefulSimulation
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.plan.graph import per_channel
from dqn2snn.plan.ops import Dense, Reshape
from dqn2snn.plan.state import NetworkState, NeuronState

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
) -> Record:
    """Simulate layer by layer; on the grid the spikes are those of `simulate_reference`.

    Args:
        plan: The spiking network.
        observations: `[B, *input_shape]`.
        num_steps: T.
        spikes: Keep every spike of every layer.
        dtype: float32 or float64; the same spikes on the grid.

    Returns:
        Record: In `dtype`.
    """
    return _simulation(plan, dtype, observations.device).run(observations, num_steps, spikes=spikes)


@dataclass
class _Layer:
    """A layer while it is simulated.

    Attributes:
        plan: What it is.
        wide: Whether it has a matrix whose columns are worth looking up.
        graded: Whether it receives other spikes than ones.
        onset: Whether its bias is a current of the first step only.
        membrane: `[B, *shape]`.
        counts: Spikes so far, those taken back subtracted, `[B, *shape]`.
        sent: Spikes of this decision, whatever their sign; the counts themselves where they must be the same.
        fired: Memory for the spikes of a chunk, `[c, B, *shape]`; new memory for every chunk costs page faults.
        kept: All spikes so far, if they were asked for.
    """

    plan: SpikingLayer
    wide: bool
    graded: bool
    onset: bool
    membrane: Tensor
    counts: Tensor
    sent: Tensor
    fired: Tensor
    kept: list[Tensor] | None

    @cached_property
    def columns(self) -> Tensor:
        """The transposed matrix."""
        return self.plan.affine.weight.t().contiguous()

    def currents(self, spikes: Tensor, start: int) -> Tensor:
        """Currents `[c, B, *shape]` from step `start` on, by spikes `[c, B, *in_shape]` of the layer before."""
        flat = spikes.flatten(0, 1)
        if self.wide and float(flat.count_nonzero()) < _RARE * flat.numel():
            currents = looked_up(self.columns, flat.flatten(1), self.graded)
        else:
            currents = self.plan.affine.linear(flat)
        unflat: Tensor = currents.unflatten(0, spikes.shape[:2])
        biased = unflat[: 1 if start == 0 else 0] if self.onset else unflat
        biased += per_channel(self.plan.affine.bias, self.plan.shape)
        if self.plan.step_bias is not None:
            unflat += self.plan.step_bias[start : start + len(unflat), None]
        return unflat

    def run(
        self, currents: Iterable[Tensor], steps: int, start: int, membranes: list[Tensor] | None = None
    ) -> Tensor:
        """Scan currents `[B, *shape]` of `steps` steps, from step `start` on, to spikes `[c, B, *shape]`."""
        fired = self.fired[:steps]
        scan = self._scan_plain if self.plan.plain else self._scan
        for step, (current, spike) in enumerate(zip(currents, fired, strict=False), start):
            if not self.plan.steady:
                self._keep()
            self.membrane += current
            if self.plan.may_fire(step):
                scan(spike)
            else:
                spike.zero_()
            if membranes is not None:
                membranes.append(self.membrane.clone())
        if self.plan.plain:
            self.counts += torch.sum(fired, 0, out=torch.empty_like(self.counts))  # slow in another layout
        if self.sent is not self.counts:
            self.sent += fired.abs().sum(0)
        if self.kept is not None:
            self.kept.append(fired.bool() if self.plan.plain else fired.to(torch.int8))
        return fired

    def _keep(self) -> None:
        """Do in place what `dqn2snn.dynamics.neuron.kept` and `grown` do."""
        if self.plan.beta != 1:
            self.membrane.sub_(self.plan.v_init).copy_(kept(self.membrane, self.plan)).add_(self.plan.v_init)
        if not self.plan.plain:
            self.counts.copy_(grown(self.counts, self.plan))

    def _scan_plain(self, spike: Tensor) -> None:
        theta, v = self.plan.threshold, self.membrane
        torch.ge(v, theta, out=spike)
        if self.plan.reset == "subtract":
            v.addcmul_(spike, theta, value=-1)
        else:
            torch.where(spike > 0, self.plan.v_init, v, out=v)

    def _scan(self, spike: Tensor) -> None:
        """Do in place what `dqn2snn.dynamics.neuron.if_step` does."""
        plan, v, counts, k = self.plan, self.membrane, self.counts, self.plan.max_spikes
        torch.div(v, plan.threshold, out=spike).floor_()
        if plan.max_count is None:
            spike.clamp_(max=k)
        else:
            torch.minimum(spike, (plan.max_count - counts).clamp_(max=k), out=spike)
        if plan.signed:
            torch.maximum(spike, counts.floor().clamp_(max=k).neg_(), out=spike)
        else:
            spike.clamp_(min=0)
        v.addcmul_(spike, plan.threshold, value=-1)
        counts += spike


def advance_layerwise(
    plan: SpikingPlan, observations: Tensor, num_steps: int, state: NetworkState, *, spikes: bool = False
) -> tuple[Record, NetworkState]:
    """Simulate a decision from any state, layer by layer.

    Args:
        plan: The spiking network, cast to float32 or float64, on the device of the observations.
        observations: `[B, *input_shape]`.
        num_steps: T.
        state: In which the decision begins, of the dtype of the plan; it is not changed.
        spikes: Keep every spike of every layer.

    Returns:
        tuple[Record, NetworkState]: What happened, and the state after the last step.
    """
    batch, dtype = len(observations), plan.output.threshold.dtype
    if plan.coding.windowed:
        return simulate_windows(plan, observations, num_steps, spikes=spikes), state
    chunk = min(num_steps, max(1, _ROWS // max(1, batch)))
    layers = [
        _start(plan, before, layer, after, neurons, chunk, spikes)
        for before, layer, after, neurons in zip(
            (None, *plan.layers), plan.all_layers, (*plan.all_layers[1:], None), state.layers, strict=True
        )
    ]
    constant = constant_current(plan, observations).to(dtype)
    constant = constant.contiguous(memory_format=_layout(layers[0].membrane))
    first, later = plan.coding.drive(constant, state.current)
    trains: list[Tensor] = []
    membranes: list[Tensor] = []
    for start in range(0, num_steps, chunk):
        steps = min(chunk, num_steps - start)
        fired = layers[0].run(chain([later if start else first], repeat(later)), steps, start)
        for layer in layers[1:]:
            wanted = membranes if layer is layers[-1] else None
            fired = layer.run(layer.currents(fired, start), steps, start, wanted)
        trains.append(fired.clone())
    q, q_spike = readouts(plan, torch.cat(trains), torch.stack(membranes), state.layers[-1].count)
    kept = tuple(torch.cat(layer.kept) for layer in layers if layer.kept is not None) if spikes else None
    counts, sent = tuple(layer.counts for layer in layers), tuple(layer.sent for layer in layers)
    record = Record(num_steps, plan.layer_names, q, q_spike, counts, sent, kept)
    after = tuple(NeuronState(layer.membrane, layer.counts) for layer in layers)
    return record, NetworkState(after, constant)


def _start(
    plan: SpikingPlan,
    before: SpikingLayer | None,
    layer: SpikingLayer,
    after: SpikingLayer | None,
    state: NeuronState,
    chunk: int,
    spikes: bool,
) -> _Layer:
    layout = _wanted_layout(after)
    membrane = state.membrane.clone().contiguous(memory_format=layout)
    counts = state.count.clone().contiguous(memory_format=layout)
    batch = len(membrane)
    # Laid out like the membrane, so that the next layer needs no copy.
    flat = torch.empty(
        (chunk * batch, *layer.shape), dtype=membrane.dtype, device=membrane.device, memory_format=layout
    )
    unbroken = layer.plain and not bool(counts.any())
    return _Layer(
        plan=layer,
        wide=_is_wide(layer, chunk * batch),
        graded=before is not None and not before.plain,
        onset=plan.coding.onset,
        membrane=membrane,
        counts=counts,
        sent=counts if unbroken else torch.zeros_like(counts),
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


class _Layerwise(StatefulSimulation):
    batch = _BATCH

    @torch.no_grad()
    def advance(
        self, observations: Tensor, num_steps: int, state: NetworkState, *, spikes: bool = False
    ) -> tuple[Record, NetworkState]:
        return advance_layerwise(self.ready, observations, num_steps, state, spikes=spikes)


class _Windows(Simulation):
    """Plans in latency coding, which have no state to hand on."""

    @torch.no_grad()
    def run(
        self, observations: Tensor, num_steps: int, *, spikes: bool = False, progress: bool = True
    ) -> Record:
        parts = progress_bar(observations.split(_BATCH), label="simulate", progress=progress)
        return Record.join([simulate_windows(self.ready, part, num_steps, spikes=spikes) for part in parts])


def _simulation(plan: SpikingPlan, dtype: torch.dtype, device: torch.device) -> Simulation:
    kind = _Windows if plan.coding.windowed else _Layerwise
    return kind(plan, plan.cast(dtype, device))


class _Engine(Engine):
    name = "torch"
    about = "layer by layer in chunks of time; reads the plan, the same for both backends"

    def prepare(self, plan: SpikingPlan, device: torch.device, host: Host) -> Simulation:
        return _simulation(plan, torch.float32, device)


LAYERWISE: Final = _Engine()
