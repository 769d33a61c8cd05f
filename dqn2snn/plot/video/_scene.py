"""Contents of a video: the decisions of one episode. Imported only when a video is made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dqn2snn.plot._style import some_neurons
from dqn2snn.plot.video._layout import BAND_GAP, GAME_SIZE, LABEL_WIDTH, RIGHT_WIDTH, SPIKES_HEIGHT


@dataclass(frozen=True)
class Decision:
    """One decision as a frame draws it.

    Attributes:
        game: The picture of the game, from `fit_game`.
        spikes: Spikes over time, one picture a layer, from `shrink_spikes`.
        q_snn: Q-values of the spiking network, ``[A]``.
        q_dqn: Q-values of the DQN, if there is one.
        action: The action taken, exploration included.
        total_reward: Return before this decision.
    """

    game: Image.Image
    spikes: tuple[NDArray[np.float32], ...]
    q_snn: NDArray[Any]
    q_dqn: NDArray[Any] | None
    action: int
    total_reward: float

    @property
    def differs(self) -> bool:
        """Whether the DQN would have chosen otherwise."""
        return self.q_dqn is not None and int(self.q_dqn.argmax()) != int(self.q_snn.argmax())


def fit_game(picture: NDArray[np.uint8]) -> Image.Image:
    """Scale a picture of the game to its place, keeping its proportions."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    scale = GAME_SIZE / max(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    # A picture of a few large cells would blur, one of many small details would flicker, the other way round.
    enlarged = scale > 1
    return image.resize(size, Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS)


def shrink_spikes(spikes: NDArray[np.generic], num_layers: int) -> NDArray[np.float32]:
    """Turn the spikes ``[T, N]`` of a layer into a picture ``[rows, columns]`` of shares of one.

    All neurons of a layer that has a pixel for each, or as many as have two are taken evenly; time steps that share a
    column are averaged.
    """
    num_steps, num_neurons = spikes.shape
    height = SPIKES_HEIGHT // num_layers - BAND_GAP
    rows = height if num_neurons <= height else height // 2
    neurons = some_neurons(num_neurons, rows)
    columns = min(num_steps, RIGHT_WIDTH - LABEL_WIDTH)
    edges = np.linspace(0, num_steps, columns, endpoint=False).astype(int)
    sums = np.add.reduceat((spikes[:, neurons] != 0).astype(np.float32), edges, axis=0)
    shares: NDArray[np.float32] = (sums / np.diff(edges, append=num_steps)[:, None]).T.astype(np.float32)
    return shares


@dataclass(frozen=True)
class Scene:
    """Everything that the frames of a video draw.

    Attributes:
        title: Stands at the top.
        layers: Name and number of neurons of each layer.
        action_names: One name an action.
        num_steps: Steps of the spiking network for one decision.
        decisions: All decisions of the video, in order.
    """

    title: str
    layers: tuple[tuple[str, int], ...]
    action_names: tuple[str, ...]
    num_steps: int
    decisions: tuple[Decision, ...]

    @cached_property
    def q_range(self) -> float:
        """Distance of a Q-value from the mean of its decision that fills a bar: exceeded by one in twenty."""
        pairs = ((decision.q_snn, decision.q_dqn) for decision in self.decisions)
        largest = [np.abs(q - q.mean()).max() for pair in pairs for q in pair if q is not None]
        return float(np.quantile(largest, 0.95)) or 1.0

    @cached_property
    def differences(self) -> tuple[int, ...]:
        """Decisions in which the DQN would have chosen otherwise."""
        return tuple(index for index, decision in enumerate(self.decisions) if decision.differs)
