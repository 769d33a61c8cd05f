"""A DQN body with a quantile head, and the plain DQN that is its average."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dqn2snn.io.zoo import Divide

__all__ = [
    "BODIES",
    "FRAME",
    "FRAMES",
    "HISTORY",
    "RAM",
    "SCREEN_BODIES",
    "Bytes",
    "QuantileNetwork",
    "as_input",
    "averaged",
]

FRAME = 84  # rows and columns
HISTORY = 4  # frames in an observation
FRAMES = (HISTORY, FRAME, FRAME)
RAM = (HISTORY, 1, 128)  # an Atari 2600 has 128 bytes of memory
LARGEST_PIXEL = 255


class Body(NamedTuple):
    """Layers up to the head, each followed by a ReLU."""

    observation: tuple[int, int, int]
    convolutions: tuple[tuple[int, int, int], ...]  # output channels, kernel size, stride
    hidden: tuple[int, ...]  # neurons of each fully connected layer


BODIES: Mapping[str, Body] = MappingProxyType(
    {
        "nips2013": Body(FRAMES, ((16, 8, 4), (32, 4, 2)), (256,)),  # Mnih et al. (2013), arXiv 1312.5602
        "nature": Body(FRAMES, ((32, 8, 4), (64, 4, 2), (64, 3, 1)), (512,)),  # Mnih et al. (2015)
        "ram": Body(RAM, (), (256, 256)),  # a teacher of the others, after `Bytes`
    }
)
SCREEN_BODIES = tuple(name for name, body in BODIES.items() if body.observation == FRAMES)  # those of agents


class Bytes(nn.Module):
    """What the console's memory says, so that a small difference of a byte is a large one of an input.

    Of each byte b of the newest memory: (b - 128) / 64; sine and cosine of 2 pi b / P for P = 32, 64 and 128; and its
    last three changes, divided by 8 and clipped to [-4, 4].

    Example:
        >>> Bytes()(torch.zeros(2, 4, 1, 128)).shape
        torch.Size([2, 1280])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map memories from `as_input`, ``[B, 4, 1, 128]``, to ``[B, 1280]``."""
        b = (x * LARGEST_PIXEL).flatten(2)
        newest, changes = b[:, -1], (b.diff(dim=1) / 8).clamp(-4, 4)
        phases = [newest * (2 * math.pi / period) for period in (32, 64, 128)]
        waves = [wave for phase in phases for wave in (phase.sin(), phase.cos())]
        return torch.cat([(newest - 128) / 64, *waves, *changes.unbind(1)], 1)


class QuantileNetwork(nn.Module):
    """Quantiles of the return of each action, theta_i(s, a) of Dabney et al. (2018, arXiv 1710.10044).

    Its Q-values are their means, Q(s, a) = 1/N sum_i theta_i(s, a). The body is a plain ReLU network. Parameters
    are named as in the repository's `zoo/atari`: ``f`` convolutions, ``fc`` the hidden layer, ``q`` the head,
    with the quantiles of an action in a row.

    Args:
        body: One of `BODIES`.
        actions: Number of actions A.
        quantiles: Number of quantiles N.

    Example:
        >>> network = QuantileNetwork("nips2013", actions=6, quantiles=32)
        >>> network(torch.zeros(2, 4, 84, 84)).shape
        torch.Size([2, 6, 32])
    """

    def __init__(self, body: str, actions: int, quantiles: int) -> None:
        super().__init__()
        self.body, self.actions, self.quantiles = body, actions, quantiles
        observation, convolutions, hidden = BODIES[body]
        first: list[nn.Module] = [Bytes()] if observation == RAM else []
        channels = HISTORY
        for out_channels, kernel, stride in convolutions:
            first += [nn.Conv2d(channels, out_channels, kernel, stride), nn.ReLU()]
            channels = out_channels
        self.f = nn.Sequential(*first)
        with torch.no_grad():
            sizes = (self.f(torch.zeros(1, *observation)).numel(), *hidden)
        layers = [layer for pair in itertools.pairwise(sizes) for layer in (nn.Linear(*pair), nn.ReLU())]
        self.fc = nn.Sequential(nn.Flatten(), *layers)
        self.q = nn.Linear(sizes[-1], actions * quantiles)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # twice as fast on a CPU

    def forward(self, x: Tensor) -> Tensor:
        """Map observations from `as_input`, ``[B, 4, height, width]``, to quantiles ``[B, A, N]``."""
        rows: Tensor = self.q(self.fc(self.f(x)))
        return rows.reshape(-1, self.actions, self.quantiles)


def as_input(frames: Tensor) -> Tensor:
    """Divide frames by 255, in the memory format in which convolutions are fast.

    Args:
        frames: uint8 ``[B, 4, height, width]``.

    Returns:
        float32 of the same shape, in [0, 1].

    Example:
        >>> as_input(torch.full((1, 4, 84, 84), 255, dtype=torch.uint8)).max()
        tensor(1.)
    """
    return frames.to(memory_format=torch.channels_last).float().div_(LARGEST_PIXEL)


@torch.no_grad()
def averaged(network: QuantileNetwork) -> nn.Sequential:
    """Average the quantile rows of the head, which gives a plain DQN with the same Q-values.

    The mean over quantiles is linear, and so is the head: with rows w_i and biases b_i of an action,

        1/N sum_i (w_i h + b_i) = (1/N sum_i w_i) h + 1/N sum_i b_i.

    The frames are divided by 255 in a layer of its own. In the first weights, the division would put one weight in
    seven below the normal range of half precision.

    Args:
        network: Any quantile network; it is not changed.

    Returns:
        The division, Conv2d, Linear, Flatten and ReLU in a row, for frames of whole numbers from 0 to 255, as
        float32; for the body ``ram``, with `Bytes` and no Conv2d. In evaluation mode, its parameters frozen.

    Example:
        >>> averaged(QuantileNetwork("nips2013", actions=6, quantiles=32))[-1]
        Linear(in_features=256, out_features=6, bias=True)
    """
    head = nn.Linear(network.q.in_features, network.actions)
    rows = (network.actions, network.quantiles)
    head.weight.copy_(network.q.weight.reshape(*rows, -1).mean(1))
    head.bias.copy_(network.q.bias.reshape(rows).mean(1))
    plain = copy.deepcopy(nn.Sequential(Divide(LARGEST_PIXEL), *network.f, *network.fc, head))
    plain.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return plain.eval().requires_grad_(False)
