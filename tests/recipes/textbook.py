"""The seed paper's method written down once more, in numpy and without a line of the library.

Only plain multi-layer perceptrons: `layers` are pairs of weights `[F', F]` and biases `[F']`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

Array = NDArray[np.float64]
Layers = Sequence[tuple[Array, Array]]


def parameters(network: nn.Module) -> list[tuple[Array, Array]]:
    """Weights and biases of the linear layers of a network."""
    return [
        (module.weight.detach().double().numpy(), module.bias.detach().double().numpy())
        for module in network.modules()
        if isinstance(module, nn.Linear)
    ]


def pre_activations(layers: Layers, x: Array, dtype: type = np.float64) -> list[Array]:
    """z of every layer, computed in `dtype`."""
    found = []
    x = x.astype(dtype)
    for weight, bias in layers:
        z = x @ weight.astype(dtype).T + bias.astype(dtype)
        found.append(z.astype(np.float64))
        x = np.maximum(z, 0)
    return found


def percentile_scales(layers: Layers, x: Array, percentile: float) -> list[float]:
    """lambda_l, the percentile of all pre-activations of layer l, the head included."""
    return [float(np.percentile(z, percentile)) for z in pre_activations(layers, x)]


def normalised(layers: Layers, scales: Sequence[float]) -> list[tuple[Array, Array]]:
    """`W_l lambda_{l-1} / lambda_l` and `b_l / lambda_l`."""
    before = [1.0, *scales[:-1]]
    return [
        (weight * incoming / scale, bias / scale)
        for (weight, bias), incoming, scale in zip(layers, before, scales, strict=True)
    ]


def simulate(layers: Layers, x: Array, num_steps: int) -> tuple[list[Array], Array]:
    """Spike counts of every layer and the membranes of the output after `num_steps` steps from V = 0."""
    membranes = [np.zeros((len(x), len(bias))) for _, bias in layers]
    counts = [np.zeros_like(membrane) for membrane in membranes]
    for _ in range(num_steps):
        arriving = x
        for i, (weight, bias) in enumerate(layers):
            membranes[i] += arriving @ weight.T + bias
            arriving = (membranes[i] >= 1.0).astype(np.float64)
            membranes[i] -= arriving
            counts[i] += arriving
    return counts, membranes[-1]


def tan2021(
    layers: Layers, calibration: Array, x: Array, percentile: float, num_steps: int
) -> tuple[Array, Array]:
    """Q-values by the robust rate and by spike counts, in the network's units."""
    scales = percentile_scales(layers, calibration, percentile)
    counts, voltage = simulate(normalised(layers, scales), x, num_steps)
    return scales[-1] * (counts[-1] + voltage) / num_steps, scales[-1] * counts[-1] / num_steps


def quantised(layers: Layers, scales: Sequence[Array], x: Array, levels: int) -> Array:
    """Q-values of the network with every hidden activation rounded to one of `levels` steps up to its scale."""
    *hidden, (weight, bias) = layers
    for (w, b), scale in zip(hidden, scales, strict=True):
        x = np.clip(np.floor((x @ w.T + b) * levels / scale + 0.5), 0, levels) * scale / levels
    return x @ weight.T + bias


def neurons(
    layers: Layers, quanta: Sequence[Array], x: Array, num_steps: int, k: int = 1, signed: bool = True
) -> tuple[list[Array], Array]:
    """Net spikes of every hidden layer and Q-values by the mean charge, from half-threshold membranes.

    Spikes carry their quantum, the weights are those of the network: nothing is folded.
    """
    *hidden, (weight, bias) = layers
    membranes = [np.zeros((len(x), len(b))) + q / 2 for (_, b), q in zip(hidden, quanta, strict=True)]
    counts = [np.zeros_like(membrane) for membrane in membranes]
    charge = np.zeros((len(x), len(bias)))
    for _ in range(num_steps):
        arriving = x
        for i, ((w, b), q) in enumerate(zip(hidden, quanta, strict=True)):
            current = arriving @ w.T + b
            membranes[i] += np.clip(current, 0, k * q) if i == 0 else current
            spikes = np.minimum(np.floor(membranes[i] / q), k)
            spikes = np.maximum(spikes, -np.minimum(k, counts[i]) if signed else 0)
            membranes[i] -= spikes * q
            counts[i] += spikes
            arriving = spikes * q
        charge += arriving @ weight.T + bias
    return counts, charge / num_steps


def sigma_delta(
    layers: Layers, quanta: Sequence[Array], x: Array, num_steps: int, k: int, levels: int
) -> Array:
    """Q-values after one decision from rest by neurons that send changes of a level."""
    *hidden, (weight, bias) = layers
    told = [np.zeros((len(x), len(b))) for _, b in hidden]
    for _ in range(num_steps):
        arriving = x
        for i, ((w, b), q) in enumerate(zip(hidden, quanta, strict=True)):
            membrane = (arriving @ w.T + b) / q + 0.5 - told[i]
            spikes = np.clip(np.floor(membrane), -np.minimum(k, told[i]), np.minimum(k, levels - told[i]))
            told[i] = told[i] + spikes
            arriving = told[i] * q
    return told[-1] * quanta[-1] @ weight.T + bias
