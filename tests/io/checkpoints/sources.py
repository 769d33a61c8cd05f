"""Small real checkpoints of each framework, and the comparison of Q-values that they all have to stand."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor, nn

from dqn2snn.io.checkpoints import QNetwork, load_q_network
from dqn2snn.tracing import trace

FRAMES = (4, 84, 84)


class Shown(gymnasium.Env[Any, Any]):
    """An environment of any spaces; nobody plays it."""

    def __init__(self, observation_space: gymnasium.Space[Any], num_actions: int) -> None:
        self.observation_space = observation_space
        self.action_space = gymnasium.spaces.Discrete(num_actions)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return self.observation_space.sample(), {}


def box(
    shape: tuple[int, ...], dtype: Any = np.float32, low: float = -3, high: float = 3
) -> gymnasium.spaces.Box:
    return gymnasium.spaces.Box(low, high, shape, dtype)


def images(shape: tuple[int, ...] = FRAMES) -> gymnasium.spaces.Box:
    return box(shape, np.uint8, 0, 255)


@contextmanager
def their_warnings() -> Iterator[None]:
    """Frameworks warn of things of their own while they are imported and used."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def observations_of(checkpoint: QNetwork, count: int = 16) -> Tensor:
    assert checkpoint.observation_shape is not None
    generator = torch.Generator().manual_seed(1)
    if len(checkpoint.observation_shape) == 3:
        return torch.randint(0, 256, (count, *checkpoint.observation_shape), generator=generator).float()
    return torch.randn(count, *checkpoint.observation_shape, generator=generator) * 3


def assert_equal_q(
    checkpoint: QNetwork, theirs: Callable[[Tensor], Tensor], *, convertible: bool = True
) -> None:
    """The Q-values of the framework itself to 1e-5, absolute or relative, of a network that can be converted."""
    observations = observations_of(checkpoint)
    with torch.no_grad():
        expected = theirs(observations)
    q = checkpoint(observations)
    assert q.dtype == torch.float32
    assert not q.requires_grad
    assert q.shape == (len(observations), checkpoint.num_actions)
    torch.testing.assert_close(q, expected.float(), rtol=1e-5, atol=1e-5)
    assert expected.std() > 1e-3  # or the comparison would say nothing
    assert checkpoint.observation_shape is not None
    if convertible:
        assert isinstance(checkpoint.module, nn.Sequential)
        trace(checkpoint, checkpoint.observation_shape)


def saved(state: Any, path: Path) -> QNetwork:
    """What is read from a file of ``torch.save``."""
    torch.save(state, path)
    return load_q_network(path)
