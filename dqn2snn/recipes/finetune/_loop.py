"""The loop that all ways of fine-tuning share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dqn2snn._utils.progress import progress_bar
from dqn2snn.plan import SpikingPlan
from dqn2snn.recipes.finetune._data import TrainingData
from dqn2snn.recipes.finetune._loss import feature_distance
from dqn2snn.recipes.finetune._rates import Answer, answer, clipped
from dqn2snn.recipes.finetune._schedule import Schedule
from dqn2snn.recipes.finetune._trained import Trained

Forward = Callable[[SpikingPlan, Tensor], Answer]
"""Q-values and activations of a network in training, given observations."""

_CHECKS = 10
_MAX_NORM = 5.0
_BATCH = 512


def train(trained: Trained, data: TrainingData, forward: Forward, schedule: Schedule, label: str) -> Trained:
    """Train in place, and end with the numbers that decided best on the held-out observations.

    Args:
        trained: The numbers to train.
        data: Observations and the DQN's Q-values.
        forward: The network in training.
        schedule: Length and speed of the training.
        label: Label of the progress bar.

    Returns:
        Trained: The first argument.
    """
    generator = torch.Generator().manual_seed(schedule.seed)
    groups = trained.groups(schedule.learning_rate)
    rates: list[Any] = [group["lr"] for group in groups]
    parameters = [parameter for parameter in trained.parameters() if parameter.requires_grad]
    optimiser = torch.optim.Adam(groups)
    best = _Best(trained, data, forward)
    every = max(1, schedule.updates // _CHECKS)
    with (
        torch.enable_grad(),
        progress_bar(total=schedule.updates, label=label, progress=schedule.progress) as bar,
    ):
        for update in range(schedule.updates):
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * schedule.rate(update)
            rows = torch.randint(len(data.observations), (schedule.batch_size,), generator=generator)
            loss = _loss(trained.plan(), data, rows, forward, schedule.features)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, _MAX_NORM)
            optimiser.step()
            bar.update()
            if (update + 1) % every == 0 or update + 1 == schedule.updates:
                best.check()
                bar.set_postfix(agreement=f"{best.score:.2%}")
    best.restore()
    return trained


def _loss(plan: SpikingPlan, data: TrainingData, rows: Tensor, forward: Forward, features: float) -> Tensor:
    x = data.observations[rows].float()
    result = forward(plan, x)
    loss = data.loss(result.q, data.targets[rows])
    if not features:
        return loss
    with torch.no_grad():
        wanted = answer(data.teacher, x, [clipped] * len(result.features)).features
    return loss + features * feature_distance(result.features, wanted)


class _Best:
    """The numbers with the best decisions so far."""

    def __init__(self, trained: Trained, data: TrainingData, forward: Forward) -> None:
        self._trained, self._data, self._forward = trained, data, forward
        self._kept, self.score = trained.snapshot(), self._measure()

    def check(self) -> None:
        score = self._measure()
        if score >= self.score:
            self._kept, self.score = self._trained.snapshot(), score

    def restore(self) -> None:
        self._trained.restore(self._kept)

    def _measure(self) -> float:
        """Agreement on held-out observations, each weighed by its gap between the best two actions."""
        with torch.no_grad():
            plan = self._trained.plan()
            q = torch.cat([self._forward(plan, x).q for x in self._data.held_out.split(_BATCH)])
        targets = self._data.held_out_targets
        best, *others = targets.sort(1, descending=True).values.split(1, dim=1)
        stake = (best - others[0]).flatten() if others else torch.ones(len(targets))
        same = q.argmax(1) == targets.argmax(1)
        return float(stake[same].sum() / stake.sum().clamp(min=1e-30))
