"""Activation statistics over observations: exact percentiles in bounded memory.

The thresholds of a converted network are percentiles of what its layers compute on states that the agent
meets. `torch.quantile` refuses more than 16 million numbers and `numpy.percentile` holds them all at once;
here the observations pass through the network three times, in batches, and the percentiles are exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dqn2snn._utils.host import on_host
from dqn2snn._utils.progress import progress_bar
from dqn2snn.errors import ArgumentError, CalibrationError
from dqn2snn.plan.graph import AffineLayer, LayerGraph
from dqn2snn.tracing.calibration._sample import Sample
from dqn2snn.tracing.calibration._select import PASSES, Selection, begin, finish, narrow, observe
from dqn2snn.tracing.calibration._stats import ActivationStats, LayerStats, Quantity
from dqn2snn.tracing.calibration._stats import check_percentile as check_percentile
from dqn2snn.tracing.observations import Observations, check_observations

__all__ = ["ActivationStats", "LayerStats", "calibrate"]

_KEPT = 256
"""Observations that the statistics keep, at most."""


@on_host()
def calibrate(
    graph: LayerGraph,
    observations: Observations,
    percentiles: Sequence[float] = (99.9, 99.99),
    *,
    batch_size: int = 256,
    progress: bool = True,
) -> ActivationStats:
    """Take statistics of every layer's pre-activations.

    A percentile is that of `numpy.percentile` with linear interpolation over float64 copies of the float32
    pre-activations, to the last bit. Memory is bounded by one batch, a few thousand bins per channel and a sample of
    a million numbers per layer, however many observations there are.

    Args:
        graph: The traced network.
        observations: `[N, *graph.input_shape]`, states that the agent meets.
        percentiles: In (1, 100]; 100, the maximum, is always added.
        batch_size: Observations that pass through the network at once.
        progress: Show a progress bar when standard error is a terminal.

    Returns:
        ActivationStats: Statistics of the hidden layers and of the head.

    Raises:
        ArgumentError: If a percentile is not in (1, 100] or `batch_size` is not positive.
        ObservationError: If the observations have the wrong shape, or hold NaN or infinity.
        CalibrationError: If there are no observations, they are all the same, or a layer overflows on them.

    Example:
        >>> from torch import nn
        >>> from dqn2snn.tracing import trace
        >>> graph = trace(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), (4,))
        >>> stats = calibrate(graph, torch.rand(100, 4), percentiles=(99,))
        >>> stats.count, stats.percentiles
        (100, (99.0, 100.0))
    """
    wanted = _checked_percentiles(percentiles)
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ArgumentError(f"Expected a positive whole batch_size. Found {batch_size!r}. Try 256.")
    batch = check_observations(observations, graph.input_shape)
    _check_varied(batch)
    layers = tuple(_Gathering.of(layer, len(batch), wanted) for layer in graph.all_layers)
    runner = graph.cast(torch.float32)
    steps = PASSES * math.ceil(len(batch) / batch_size)
    magnitude = 0.0
    with (
        torch.no_grad(),
        progress_bar(total=steps, label="calibrate", progress=progress) as bar,
    ):
        for _ in range(PASSES):
            for chunk in batch.split(batch_size):
                x = chunk.cpu()
                magnitude = max(magnitude, float(x.double().abs().max()))
                for gathering, z in zip(layers, runner.pre_activations(x.float()), strict=True):
                    gathering.observe(z)
                bar.update()
            for gathering in layers:
                gathering.narrow()
        return ActivationStats(
            count=len(batch),
            percentiles=wanted,
            layers=tuple(gathering.stats(wanted) for gathering in layers),
            observation_magnitude=magnitude,
            observations=batch[:: math.ceil(len(batch) / _KEPT)].cpu().float(),
        )


def _checked_percentiles(percentiles: Sequence[float]) -> tuple[float, ...]:
    if not isinstance(percentiles, Sequence):
        raise ArgumentError(f"Expected a sequence of percentiles. Found {percentiles!r}.")
    return tuple(sorted({*map(check_percentile, percentiles), 100.0}))


def _check_varied(observations: Tensor) -> None:
    if len(observations) == 0:
        raise CalibrationError(
            "Expected observations to calibrate on. Found none. Collect some with dqn2snn.collect_observations."
        )
    if len(observations) > 1 and not any(
        bool((chunk != observations[:1]).any()) for chunk in observations.split(256)
    ):
        raise CalibrationError(
            f"Expected varied observations. Found {len(observations)} that are all the same, which say nothing of the "
            "range of the activations. Collect them while the agent plays."
        )


@dataclass
class _Gathering:
    """Statistics of one layer while the observations stream by."""

    layer: AffineLayer
    whole: Selection
    channels: Selection
    sample: Sample
    minimum: Tensor
    maximum: Tensor
    active: int
    per_channel: int

    @staticmethod
    def of(layer: AffineLayer, count: int, percentiles: Sequence[float]) -> _Gathering:
        size = layer.out_shape[0]
        per_channel = count * layer.neurons // size
        infinite = torch.full((size,), math.inf)
        return _Gathering(
            layer=layer,
            whole=begin(_ranks(per_channel * size, percentiles)),
            channels=begin(_ranks(per_channel, percentiles).expand(size, -1).contiguous()),
            sample=Sample.of(size, per_channel, layer.neurons // size),
            minimum=infinite,
            maximum=-infinite,
            active=0,
            per_channel=per_channel,
        )

    def observe(self, z: Tensor) -> None:
        by_channel = z.transpose(0, 1).reshape(z.shape[1], -1)
        if self.whole.stage == 0:
            self.minimum = torch.minimum(self.minimum, by_channel.amin(1))
            self.maximum = torch.maximum(self.maximum, by_channel.amax(1))
            self._check_finite()
            self.active += int((z > 0).sum())
            self.sample.observe(by_channel)
        observe(self.whole, by_channel.reshape(1, -1))
        observe(self.channels, by_channel)

    def _check_finite(self) -> None:
        if not bool(torch.isfinite(self.maximum - self.minimum).all()):
            raise CalibrationError(
                f"Expected finite pre-activations. Found that layer {self.layer.name!r} overflows float32 on these "
                "observations. Scale them as they were in training."
            )

    def narrow(self) -> None:
        self.whole, self.channels = narrow(self.whole), narrow(self.channels)

    def stats(self, percentiles: Sequence[float]) -> LayerStats:
        total = self.per_channel * len(self.minimum)
        whole = _interpolated(finish(self.whole), total, percentiles)
        channels = _interpolated(finish(self.channels), self.per_channel, percentiles)
        return LayerStats(
            name=self.layer.name,
            minimum=self.minimum.double(),
            maximum=self.maximum.double(),
            active_fraction=self.active / total,
            of_layer={key: float(values) for key, values in whole},
            of_channel=dict(channels),
            sample=self.sample.values,
        )


def _ranks(count: int, percentiles: Sequence[float]) -> Tensor:
    """The two neighbouring ranks of each percentile, `[1, 2 P]`."""
    ranks = [rank for p in percentiles for rank in _neighbours(count, p)[:2]]
    return torch.tensor([ranks], dtype=torch.int64)


def _neighbours(count: int, percentile: float) -> tuple[int, int, float]:
    """Lower rank, upper rank and the position between them, as numpy's linear method has them."""
    virtual = (count - 1) * (percentile / 100)
    lower = min(math.floor(virtual), count - 1)
    return lower, min(lower + 1, count - 1), virtual - lower


def _interpolated(
    values: Tensor, count: int, percentiles: Sequence[float]
) -> Iterator[tuple[tuple[Quantity, float], Tensor]]:
    for i, percentile in enumerate(percentiles):
        t = _neighbours(count, percentile)[2]
        pair = values[:, 2 * i : 2 * i + 2].double()
        yield ("preactivation", percentile), _between(pair, t)
        yield ("activation", percentile), _between(pair.relu(), t)


def _between(pair: Tensor, t: float) -> Tensor:
    """Linear interpolation with the roundings of `numpy.percentile`."""
    low, high = pair[:, 0], pair[:, 1]
    return high - (high - low) * (1 - t) if t >= 0.5 else low + (high - low) * t
