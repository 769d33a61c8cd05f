"""Statistics of a network's activations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Literal, TypeVar

from torch import Tensor

from dqn2snn.errors import ArgumentError, CalibrationError

Quantity = Literal["preactivation", "activation"]
"""Over what a percentile is taken: z, or the ReLU output max(0, z), zeros included."""

_T = TypeVar("_T", float, Tensor)


@dataclass(frozen=True, eq=False)
class LayerStats:
    """Statistics of one layer's pre-activations over all observations.

    Attributes:
        name: The layer's name.
        minimum: `[C]`, smallest pre-activation of each channel, float64.
        maximum: `[C]`, largest.
        active_fraction: Share of pre-activations above zero.
        of_layer: For each quantity and percentile, one number over all channels and positions.
        of_channel: For each quantity and percentile, one number per channel `[C]`, float64.
        sample: `[C, M]`, pre-activations of each channel, float32: all of them, or a million per layer taken evenly.
    """

    name: str
    minimum: Tensor
    maximum: Tensor
    active_fraction: float
    of_layer: Mapping[tuple[Quantity, float], float]
    of_channel: Mapping[tuple[Quantity, float], Tensor]
    sample: Tensor


@dataclass(frozen=True, eq=False)
class ActivationStats:
    """Statistics of every layer of a `LayerGraph`, hidden layers first, then the head.

    Attributes:
        count: Number of observations.
        percentiles: The percentiles that were taken; 100, the maximum, is always among them.
        layers: One entry per layer.
        observation_magnitude: Largest absolute number in the observations.
        observations: `[M, *input_shape]` float32, up to 256 of them, taken evenly, for rules that try what they choose.
    """

    count: int
    percentiles: tuple[float, ...]
    layers: tuple[LayerStats, ...]
    observation_magnitude: float
    observations: Tensor

    def percentile(self, layer: int, percentile: float, of: Quantity = "preactivation") -> float:
        """The percentile of one layer, over all its channels and positions.

        Raises:
            CalibrationError: If that percentile was not taken.
        """
        return self._lookup(self.layers[layer].of_layer, percentile, of)

    def channel_percentile(self, layer: int, percentile: float, of: Quantity = "preactivation") -> Tensor:
        """The percentile of each channel of one layer `[C]`, float64.

        Raises:
            CalibrationError: If that percentile was not taken.
        """
        return self._lookup(self.layers[layer].of_channel, percentile, of)

    def _lookup(self, table: Mapping[tuple[Quantity, float], _T], percentile: float, of: Quantity) -> _T:
        if (of, float(percentile)) not in table:
            raise CalibrationError(
                f"Expected one of the percentiles taken at calibration, {self.percentiles}. Found {percentile} of "
                f"{of!r}. Calibrate again with percentiles=({percentile},)."
            )
        return table[of, float(percentile)]


def check_percentile(percentile: float) -> float:
    """Check a percentile, and return it. One up to 1 is refused, since it is probably a fraction.

    Raises:
        ArgumentError: If it is not a number in (1, 100].

    Example:
        >>> check_percentile(0.999)
        Traceback (most recent call last):
        ...
        dqn2snn.errors.ArgumentError: Expected a percentile in (1, 100]. Found 0.999. Did you mean 99.9?
    """
    if isinstance(percentile, bool) or not isinstance(percentile, Real) or not 1 < percentile <= 100:
        fraction = isinstance(percentile, Real) and 0 < percentile <= 1
        hint = f"Did you mean {100 * float(percentile):g}?" if fraction else "Use one such as 99.9."
        raise ArgumentError(f"Expected a percentile in (1, 100]. Found {percentile!r}. {hint}")
    return float(percentile)
