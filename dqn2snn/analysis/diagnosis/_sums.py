"""Sums over decisions, so that memory does not grow with their number."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dqn2snn.analysis.diagnosis._layers import CAUSES, LayerErrors, layer_errors
from dqn2snn.plan.rate_network import RateLayer, RateNetwork


@dataclass
class LayerSums:
    """Sums over decisions of one layer.

    Attributes:
        layer: The layer.
        products: For each cause, its part of the decision error times the whole decision error.
        squares: For each cause, the square of its part of the decision error.
        channels: For each cause, the `products` of each channel, `[C]`.
        clipped: `[neurons]`, decisions in which the neuron should send more than it can.
        fired: `[neurons]`, whether the neuron ever fired.
        active: `[neurons]`, whether its unit in the DQN was ever active.
    """

    layer: RateLayer
    products: dict[str, float] = field(default_factory=lambda: dict.fromkeys(CAUSES, 0.0))
    squares: dict[str, float] = field(default_factory=lambda: dict.fromkeys(CAUSES, 0.0))
    channels: dict[str, Tensor] = field(default_factory=dict)
    clipped: Tensor | float = 0.0
    fired: Tensor | bool = False
    active: Tensor | bool = False

    def add(
        self, errors: LayerErrors, unit: Tensor, difference: Difference, error: Tensor, steps: int
    ) -> None:
        """Take a batch into account; `unit` is the exact drive."""
        gradient = difference.of_rows(errors.gradients)
        for cause, rate_errors, q_errors in zip(CAUSES, errors.errors, errors.q_errors, strict=True):
            added = difference(q_errors)
            self.products[cause] += float(added @ error)
            self.squares[cause] += float(added @ added)
            by_neuron = error @ (gradient * rate_errors)
            by_channel = by_neuron.reshape(self.layer.layer.shape[0], -1).sum(1)
            self.channels[cause] = self.channels.get(cause, 0.0) + by_channel
        most = self.layer.most(steps) / self.layer.quanta(steps)
        self.clipped = self.clipped + (errors.drive > most).double().sum(0)
        self.fired = self.fired | (errors.rate > 0).any(0)
        self.active = self.active | (unit > 0).flatten(1).any(0)


@dataclass(frozen=True, eq=False)
class Difference:
    """Takes Q-values `[B, A]` to the difference of two actions `[B]`.

    Attributes:
        best: The DQN's action, `[B]`.
        rival: The best other action by the spiking network, `[B]`.
    """

    best: Tensor
    rival: Tensor

    @staticmethod
    def between(q_dqn: Tensor, q_snn: Tensor) -> Difference:
        best = q_dqn.argmax(1)
        others = q_snn.scatter(1, best[:, None], -math.inf)
        return Difference(best, others.argmax(1))

    def __call__(self, q: Tensor) -> Tensor:
        taken: Tensor = (q.gather(1, self.best[:, None]) - q.gather(1, self.rival[:, None])).squeeze(1)
        return taken

    def of_rows(self, gradients: Tensor) -> Tensor:
        """Difference of gradients `[B, A, neurons]` of the two actions, `[B, neurons]`."""
        rows = torch.arange(len(gradients))
        return gradients[rows, self.best] - gradients[rows, self.rival]


@dataclass
class Sums:
    """Sums over decisions.

    Attributes:
        layers: Sums of every hidden layer.
        outside: For each cause outside neurons, its part of the decision error times the whole decision error.
        square: Square of the decision error.
        q_dqn: The DQN's Q-values, `[B, A]` each.
        q_snn: The spiking network's Q-values, `[B, A]` each.
    """

    layers: list[LayerSums]
    outside: dict[str, float] = field(default_factory=lambda: {"plan": 0.0, "readout": 0.0})
    square: float = 0.0
    q_dqn: list[Tensor] = field(default_factory=list)
    q_snn: list[Tensor] = field(default_factory=list)

    def add(
        self,
        network: RateNetwork,
        x: Tensor,
        q_dqn: Tensor,
        q_snn: Tensor,
        rates: tuple[Tensor, ...],
        steps: int,
    ) -> None:
        difference = Difference.between(q_dqn, q_snn)
        error = difference(q_snn - q_dqn)
        by_layer = layer_errors(network, x, rates, steps)
        *units, exact = network.drives(x)
        for sums, errors, unit in zip(self.layers, by_layer, units, strict=True):
            sums.add(errors, unit, difference, error, steps)
        summed = sum((q for errors in by_layer for q in errors.q_errors), torch.zeros_like(q_snn))
        self.outside["plan"] += float(difference(exact - q_dqn) @ error)
        self.outside["readout"] += float(difference(q_snn - exact - summed) @ error)
        self.square += float(error @ error)
        self.q_dqn.append(q_dqn)
        self.q_snn.append(q_snn)
