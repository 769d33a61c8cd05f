"""The error that each layer adds to the Q-values, exactly, by cause.

Let Ibar be the mean current of a layer over a decision, in thresholds, and a = N / T the rate that it sends.
Spikes are conserved, a = Ibar - (v_T - v_0) / T, so that the layer's own error a - max(0, Ibar) has three
parts and no more:

* clipping, min(max(0, Ibar), k) - max(0, Ibar): it cannot send that many spikes;
* quantisation: it sends whole spikes, floor(T Ibar + v_0) of them had its input come evenly, and v_T is in [0, 1);
* unevenness: what is left, spikes that were sent too early or not yet.

With f_l the DQN from layer l on, in the units of the plan, Q_snn = f_L(a_L), and f_{l-1}(a_{l-1}) = f_l(max(0,
Ibar_l)), because Ibar_l is W a_{l-1} + b. Hence

    Q_snn - Q_dqn = sum_l [ f_l(a_l) - f_l(max(0, Ibar_l)) ] + what is not an error of neurons,

without approximation; and so for the three parts of each layer, put on one after the other.

Where Q-values are read by the slope of the charge, a = sum_t t N(t) / sum_t t^2 takes the place of N(T) / T.
It is linear in the spikes as well, and everything else holds as it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dqn2snn.analysis._gradients import gradients_by_action
from dqn2snn.dynamics.record import Record
from dqn2snn.plan.grid import rounded
from dqn2snn.plan.rate_network import RateLayer, RateNetwork

CAUSES = ("clipping", "quantisation", "unevenness")


@dataclass(frozen=True, eq=False)
class LayerErrors:
    """Errors of one hidden layer in a batch of decisions.

    Attributes:
        drive: Ibar, `[B, neurons]`, in thresholds.
        rate: a, `[B, neurons]`.
        errors: Errors of the rate, by cause, `[B, neurons]` each.
        q_errors: Errors of the Q-values, by cause, `[B, A]` each.
        gradients: dQ / da between the exact rate and the one that is sent, `[B, A, neurons]`.
    """

    drive: Tensor
    rate: Tensor
    errors: tuple[Tensor, ...]
    q_errors: tuple[Tensor, ...]
    gradients: Tensor


def layer_errors(
    network: RateNetwork, observations: Tensor, rates: Sequence[Tensor], num_steps: int
) -> list[LayerErrors]:
    """Take the error of the Q-values apart, hidden layer by hidden layer.

    Args:
        network: The rate network.
        observations: `[B, *input_shape]`.
        rates: From `sent_rates`, `[B, *shape]` for each hidden layer.
        num_steps: T.

    Returns:
        list[LayerErrors]: One for each hidden layer.
    """
    found = []
    x = network.inputs(observations)
    for index, (layer, rate) in enumerate(zip(network.layers, rates, strict=True)):
        drive = layer(x)
        bits = layer.layer.fraction_bits
        if index == 0 and bits is not None:
            # The first layer's current is rounded in the network too; later ones are on the grid already.
            drive = rounded(drive, bits)
        x = rate.to(drive)
        found.append(_errors(network, index, drive, x, num_steps))
    return found


def sent_rates(network: RateNetwork, record: Record) -> tuple[Tensor, ...]:
    """The rates that the readout reads of the hidden layers, `[B, *shape]` each.

    Args:
        network: The rate network.
        record: A run of its plan; with spikes where the readout is a slope.

    Returns:
        tuple[Tensor, ...]: In float64 on the CPU.
    """
    steps = record.num_steps
    if network.plan.readout == "rate":
        return tuple(
            count.cpu().double() / layer.quanta(steps)
            for layer, count in zip(network.layers, record.counts, strict=False)
        )
    assert record.spikes is not None
    weights, squares = _slope_weights(steps)
    return tuple(
        torch.einsum("t,t...->...", weights, spikes.cpu().double()) / squares for spikes in record.spikes[:-1]
    )


def _slope_weights(num_steps: int) -> tuple[Tensor, float]:
    """How much a spike at each step counts in `sum_t t N(t)`, `[T]`, and `sum_t t^2`."""
    steps = torch.arange(1, num_steps + 1, dtype=torch.float64)
    return (num_steps * (num_steps + 1) - steps * (steps - 1)) / 2, float(steps @ steps)


def _errors(network: RateNetwork, index: int, drive: Tensor, rate: Tensor, num_steps: int) -> LayerErrors:
    layer = network.layers[index]
    stages = [drive.clamp(min=0), *_stages(network, layer, drive, num_steps), rate]
    q = [network.q_from(index, stage) for stage in stages]
    pairs = list(zip(stages[1:], stages[:-1], strict=True))
    return LayerErrors(
        drive=drive.flatten(1),
        rate=rate.flatten(1),
        errors=tuple((after - before).flatten(1) for after, before in pairs),
        q_errors=tuple(after - before for after, before in zip(q[1:], q[:-1], strict=True)),
        gradients=_gradients(network, index, (stages[0] + rate) / 2),
    )


def _stages(network: RateNetwork, layer: RateLayer, drive: Tensor, num_steps: int) -> tuple[Tensor, Tensor]:
    """The rate after clipping alone, and after quantisation too."""
    clipped = drive.clamp(0, layer.most(num_steps) / layer.quanta(num_steps))
    if network.plan.readout == "rate":
        return clipped, layer.quantized(drive, num_steps)
    gathered, squares = torch.zeros_like(drive), 0
    for step in range(1, num_steps + 1):
        gathered.add_(layer.quantized(drive, step), alpha=step * step)
        squares += step * step
    return clipped, gathered / squares


def _gradients(network: RateNetwork, index: int, rates: Tensor) -> Tensor:
    with torch.enable_grad():
        point = rates.detach().requires_grad_()
        return gradients_by_action(network.q_from(index, point), [point])[0]
