"""Prediction beside measurement, over the number of steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from dqn2snn._utils.progress import progress_bar
from dqn2snn._utils.table import format_table
from dqn2snn.analysis.suggestion._predict import predict_agreement
from dqn2snn.metrics._clusters import Vector
from dqn2snn.metrics.confidence import Interval, proportion_interval
from dqn2snn.network import SpikingQNetwork

_BATCH = 256


@dataclass(frozen=True)
class Sweep:
    """Agreement over the number of steps, predicted and measured.

    Attributes:
        num_steps: Numbers of steps.
        predicted: Without simulation, after each.
        measured: By simulation, on the same observations.
    """

    num_steps: tuple[int, ...]
    predicted: tuple[Interval, ...]
    measured: tuple[Interval, ...]

    def __str__(self) -> str:
        rows = [
            [str(steps), str(predicted), str(measured), f"{100 * (predicted.mean - measured.mean):+.1f}"]
            for steps, predicted, measured in zip(self.num_steps, self.predicted, self.measured, strict=True)
        ]
        return format_table(["steps", "predicted", "measured", "off by, points"], rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and dictionaries that `json.dumps` takes."""
        return asdict(self)


def sweep_agreement(
    make: Callable[[int], SpikingQNetwork],
    observations: Tensor,
    q_dqn: Tensor,
    num_steps: Sequence[int],
    *,
    episode_ids: Vector | None = None,
    progress: bool = True,
) -> Sweep:
    """Predict and measure agreement for several numbers of steps.

    Args:
        make: From a number of steps to the network made for it.
        observations: `[N, *input_shape]`.
        q_dqn: The DQN's Q-values of them.
        num_steps: Increasing numbers of steps.
        episode_ids: Id of each observation's episode, for the intervals.
        progress: Show a progress bar when standard error is a terminal.

    Returns:
        Sweep: Both.

    Example:
        >>> import dqn2snn
        >>> dqn = dqn2snn.load_q_network("acrobot")
        >>> observations = dqn2snn.collect_observations(dqn, 200, seed=0, progress=False)
        >>> q_dqn = dqn(observations)
        >>> def make(num_steps):
        ...     return dqn2snn.convert(dqn, observations, recipe="rate", num_steps=num_steps)
        >>> sweep = sweep_agreement(make, observations, q_dqn, (8, 32))
        >>> sweep.measured[0].mean < sweep.measured[1].mean
        True
    """
    predicted, measured = [], []
    for count in progress_bar(num_steps, label="sweep", unit="T", progress=progress):
        snn = make(count)
        guess = predict_agreement(
            snn.plan, observations, q_dqn, num_steps=(count,), episode_ids=episode_ids, progress=False
        )
        predicted.append(guess.agreement[0])
        q = torch.cat([snn(batch, count).cpu() for batch in observations.split(_BATCH)])
        measured.append(proportion_interval(q.argmax(1) == q_dqn.cpu().argmax(1), episode_ids))
    return Sweep(tuple(num_steps), tuple(predicted), tuple(measured))
