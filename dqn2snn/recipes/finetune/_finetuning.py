"""The decorator that makes a way of training a step of recipes."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from typing import Concatenate, ParamSpec

from dqn2snn.plan import PlanOrNetwork, SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes._step import recorded
from dqn2snn.recipes.finetune._data import TrainingData
from dqn2snn.recipes.finetune._schedule import Schedule
from dqn2snn.tracing.observations import Observations

P = ParamSpec("P")
Train = Callable[[SpikingPlan, TrainingData, Schedule], SpikingPlan]
FineTuning = Callable[Concatenate[PlanOrNetwork, LayerGraph, Observations, P], SpikingPlan]

_ARGUMENTS = """Args:
    plan: A plan in raw numbers (`grid=None`), or its network.
    graph: The DQN.
    observations: `[N, *input_shape]`, a few thousand.
    **options: `updates`, `batch_size`, `learning_rate`, `features`, `seed` and `progress`; see `Schedule`.

Returns:
    SpikingPlan: The same neurons with other numbers, raw.

Raises:
    ArgumentError: If an option is out of range.
    CalibrationError: If there are too few observations.
    ObservationError: If the observations have the wrong shape, or hold NaN or infinity.
    PlanError: If the plan is on a grid, or not one of the graph.

"""


def _with_options(schedule: Callable[P, Schedule]) -> Callable[[Train], FineTuning[P]]:
    """A decorator that gives a way of training the options of a schedule, and their documentation."""

    def decorate(train: Train) -> FineTuning[P]:
        def tuned(
            plan: SpikingPlan,
            graph: LayerGraph,
            observations: Observations,
            /,
            *args: P.args,
            **options: P.kwargs,
        ) -> SpikingPlan:
            asked = schedule(*args, **options)
            return train(plan, TrainingData.of(plan, graph, observations, asked.seed), asked)

        given = list(inspect.signature(tuned).parameters.values())[:3]
        asked = list(inspect.signature(schedule).parameters.values())
        functools.update_wrapper(tuned, train)
        # Readers and recipes see the options by name, as if they had been written here.
        tuned.__dict__["__signature__"] = inspect.Signature([*given, *asked])
        tuned.__annotations__ = typing.get_type_hints(schedule)
        tuned.__doc__ = (inspect.getdoc(train) or "").replace("Example:", f"{_ARGUMENTS}Example:")
        return recorded(tuned)

    return decorate


finetuning = _with_options(Schedule)
"""Decorator that makes a step of recipes, `(plan, graph, observations, *, updates=600, ...)`, of a way of training."""
