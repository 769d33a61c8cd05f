"""The loop that all ways of fine-tuning share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from dqn2snn.errors import ArgumentError, CalibrationError
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes.finetune._loss import Distillation, feature_distance, taught
from dqn2snn.recipes.finetune._rates import Answer, answer, clipped
from dqn2snn.recipes.finetune._trained import Trained, check_trainable
from dqn2snn.tracing.observations import Observations, check_observations

__all__ = ["Forward", "Lesson", "Schedule", "lesson", "train"]

Forward = Callable[[SpikingPlan, Tensor], Answer]
"""What a network in training says to observations."""

_HELD_OUT = 0.1
_MOST_HELD_OUT = 2000
_CHECKS = 10
_LAST_RATE = 0.02
_MAX_NORM = 5.0
_BATCH = 512


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes:
        steps: Steps of Adam.
        batch_size: Observations of each.
        learning_rate: Of the first step; it falls to 2 % of that along a cosine.
        features: Weight of the distance between the layers' attention; 0 for none.
        seed: Of the order of the observations.
        progress: Show a progress bar when standard error is a terminal.
    """

    steps: int
    batch_size: int
    learning_rate: float
    features: float
    seed: int
    progress: bool

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size"):
            found = getattr(self, name)
            if isinstance(found, bool) or not isinstance(found, int) or found < 1:
                raise ArgumentError(
                    f"Expected a positive whole number of {name}. Found {found!r}. Leave it out."
                )
        if not self.learning_rate > 0 or not math.isfinite(self.learning_rate):
            raise ArgumentError(
                f"Expected a positive learning_rate. Found {self.learning_rate!r}. Try 0.01, a hundredth of the "
                "weights' root mean square a step."
            )
        if not self.features >= 0:
            raise ArgumentError(f"Expected features, a weight, of at least 0. Found {self.features!r}.")

    def rate(self, step: int) -> float:
        """Part of the learning rate at a step."""
        return max(_LAST_RATE, 0.5 * (1 + math.cos(math.pi * step / self.steps)))


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is learned from.

    Attributes:
        seen: Observations to train on, `[N, *input_shape]`.
        targets: The DQN's Q-values of them, `[N, A]`.
        held_out: Others, on which the network is judged.
        held_out_targets: Of those.
        teacher: The plan as it was, whose ReLU activations are the DQN's.
    """

    seen: Tensor
    targets: Tensor
    held_out: Tensor
    held_out_targets: Tensor
    teacher: SpikingPlan
    loss: Distillation


def lesson(plan: SpikingPlan, graph: LayerGraph, observations: Observations, seed: int) -> Lesson:
    """Label observations and hold some out.

    Raises:
        CalibrationError: If there are fewer than two.
        ObservationError: If they have the wrong shape, or hold NaN or infinity.
        PlanError: If the plan cannot be trained, or is not one of the graph.
    """
    check_trainable(plan, graph)
    batch = check_observations(observations, graph.input_shape)
    if len(batch) < 2:
        raise CalibrationError(
            f"Expected observations to learn from and others to judge by. Found {len(batch)}. "
            "Collect a few thousand with dqn2snn.collect_observations."
        )
    targets = taught(graph, batch)
    order = torch.randperm(len(batch), generator=torch.Generator().manual_seed(seed))
    out = max(1, min(_MOST_HELD_OUT, int(_HELD_OUT * len(batch))))
    judged, seen = order[:out], order[out:]
    return Lesson(
        batch[seen],
        targets[seen],
        batch[judged].float(),
        targets[judged],
        plan.cast(torch.float32),
        Distillation.of(targets),
    )


def train(trained: Trained, given: Lesson, forward: Forward, schedule: Schedule, label: str) -> None:
    """Train in place, and end with the numbers that took the best decisions on what was held out.

    Args:
        trained: What is trained.
        given: What it is trained on.
        forward: What it says.
        schedule: For how long.
        label: Of the progress bar.
    """
    generator = torch.Generator().manual_seed(schedule.seed)
    groups = trained.groups(schedule.learning_rate)
    rates: list[Any] = [group["lr"] for group in groups]
    parameters = [parameter for parameter in trained.parameters() if parameter.requires_grad]
    optimiser = torch.optim.Adam(groups)
    best = _Best(trained, given, forward)
    every = max(1, schedule.steps // _CHECKS)
    with (
        torch.enable_grad(),
        tqdm(
            total=schedule.steps, desc=label, leave=False, disable=None if schedule.progress else True
        ) as bar,
    ):
        for step in range(schedule.steps):
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * schedule.rate(step)
            rows = torch.randint(len(given.seen), (schedule.batch_size,), generator=generator)
            loss = _loss(trained.plan(), given, rows, forward, schedule.features)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, _MAX_NORM)
            optimiser.step()
            bar.update()
            if (step + 1) % every == 0 or step + 1 == schedule.steps:
                best.check()
                bar.set_postfix(agreement=f"{best.score:.2%}")
    best.restore()


def _loss(plan: SpikingPlan, given: Lesson, rows: Tensor, forward: Forward, features: float) -> Tensor:
    x = given.seen[rows].float()
    said = forward(plan, x)
    loss = given.loss(said.q, given.targets[rows])
    if not features:
        return loss
    with torch.no_grad():
        wanted = answer(given.teacher, x, [clipped] * len(said.features)).features
    return loss + features * feature_distance(said.features, wanted)


class _Best:
    """The numbers with the best decisions so far."""

    def __init__(self, trained: Trained, given: Lesson, forward: Forward) -> None:
        self._trained, self._given, self._forward = trained, given, forward
        self._kept, self.score = trained.snapshot(), self._measure()

    def check(self) -> None:
        score = self._measure()
        if score >= self.score:
            self._kept, self.score = self._trained.snapshot(), score

    def restore(self) -> None:
        self._trained.restore(self._kept)

    def _measure(self) -> float:
        """Agreement on what was held out, each decision weighed by what hangs on it: near ties decide nothing."""
        with torch.no_grad():
            plan = self._trained.plan()
            q = torch.cat([self._forward(plan, x).q for x in self._given.held_out.split(_BATCH)])
        targets = self._given.held_out_targets
        best, *others = targets.sort(1, descending=True).values.split(1, dim=1)
        stake = (best - others[0]).flatten() if others else torch.ones(len(targets))
        same = q.argmax(1) == targets.argmax(1)
        return float(stake[same].sum() / stake.sum().clamp(min=1e-30))
