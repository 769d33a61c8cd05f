"""The network of Mnih et al. (2015) with seeded weights, and firing rates like those of trained ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["nature_network", "with_rates"]

_PERCENTILE = 0.999
_LARGEST_PIXEL = 255


def nature_network(channels: int = 4, actions: int = 6, seed: int = 0) -> nn.Sequential:
    """The network of Mnih et al. (2015), for frames of whole numbers from 0 to 255.

    Weights are drawn as He et al. (2015) do, those of the first layer divided by 255; biases are zero.

    Args:
        channels: Frames in a row.
        actions: Number of Q-values.
        seed: Determines the weights.

    Returns:
        nn.Sequential: In evaluation mode, its parameters frozen.
    """
    net = _sequential(
        nn.Conv2d(channels, 32, 8, 4),
        nn.Conv2d(32, 64, 4, 2),
        nn.Conv2d(64, 64, 3, 1),
        nn.Linear(64 * 7 * 7, 512),
        nn.Linear(512, actions),
    )
    generator = torch.Generator().manual_seed(seed)
    for layer in _weighted(net):
        assert layer.bias is not None
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
        layer.bias.zero_()
    _weighted(net)[0].weight /= _LARGEST_PIXEL
    return net


@torch.no_grad()
def with_rates(net: nn.Sequential, observations: Tensor, rate: float) -> nn.Sequential:
    """Shift the biases of the hidden layers so that neurons fire about as much as those of a trained network.

    Each channel is centred; then one shift for the layer makes the mean activation `rate` times its 99.9th percentile,
    to which a conversion sets the threshold.

    Args:
        net: A network that `nature_network` made; it is changed.
        observations: `[N, *shape]`.
        rate: Mean firing rate of each hidden layer, in spikes per step.

    Returns:
        nn.Sequential: The same network.
    """
    x = observations
    hidden = _weighted(net)[:-1]
    for module in net:
        if module in hidden:
            z = module(x)
            centre = z.mean(dim=[0, *range(2, z.ndim)])
            module.bias -= centre + _shift(module(x) - _per_channel(centre, z), rate)
        x = module(x)
    return net


def _shift(z: Tensor, rate: float) -> float:
    """What to take from pre-activations so that ReLUs have the rate, by bisection."""
    low, high = float(z.min()), float(z.max())
    values = z.flatten()[::7]
    for _ in range(40):
        middle = (low + high) / 2
        active = (values - middle).relu()
        top = active.kthvalue(int(_PERCENTILE * len(active))).values
        low, high = (middle, high) if float(active.mean()) > rate * float(top) else (low, middle)
    return (low + high) / 2


def _per_channel(values: Tensor, like: Tensor) -> Tensor:
    return values.reshape(-1, *(1 for _ in like.shape[2:]))


def _sequential(*weighted: nn.Conv2d | nn.Linear) -> nn.Sequential:
    """Weighted layers with ReLUs between them, flattened where vectors begin."""
    modules: list[nn.Module] = []
    for before, layer in zip((None, *weighted), weighted, strict=False):
        if before is not None:
            modules.append(nn.ReLU())
        if isinstance(before, nn.Conv2d) and isinstance(layer, nn.Linear):
            modules.append(nn.Flatten())
        modules.append(layer)
    return nn.Sequential(*modules).eval().requires_grad_(False)


def _weighted(net: nn.Sequential) -> list[nn.Conv2d | nn.Linear]:
    return [module for module in net if isinstance(module, (nn.Conv2d, nn.Linear))]
