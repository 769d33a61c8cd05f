"""One step of a recipe: a function of the registry, or of the user, with options."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Concatenate, Final, Literal, ParamSpec

from dqn2snn._utils.host import on_host
from dqn2snn._utils.nearest import unknown_name
from dqn2snn.errors import ArgumentError
from dqn2snn.plan import PlanOrNetwork, SpikingPlan, plan_of
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes._values import Value, annotated_kinds, described, read_value, value_text
from dqn2snn.tracing.observations import Observations

Function = Callable[..., SpikingPlan]
"""A rule `(graph, stats, *, num_steps, grid, ...)`, or a correction `(plan, graph, observations, *, ...)`."""

Kind = Literal["rule", "correction", "finetuning"]
"""A rule makes a plan of a network, a correction changes it in closed form, a fine-tuning trains it."""

_BEFORE_OPTIONS: Final[dict[Kind, int]] = {"rule": 2, "correction": 3, "finetuning": 3}
"""Leading parameters: graph and calibration of a rule; plan, graph and observations of the others."""

_GIVEN = ("num_steps", "grid", "progress")
"""Arguments that `convert` passes to these functions by name. They are no options of a recipe."""


@dataclass(frozen=True)
class Step:
    """A name with options, as it stands in the text of a recipe.

    Attributes:
        name: Name of the function.
        options: Names and values, in the order of the function's signature.
        function: The user's own; None for one of the registry.
    """

    name: str
    options: tuple[tuple[str, Value], ...] = ()
    function: Function | None = None

    def __str__(self) -> str:
        return ":".join([self.name, *(f"{name}={value_text(value)}" for name, value in self.options)])


def checked_options(
    function: Function, name: str, options: Mapping[str, object], kind: Kind
) -> tuple[tuple[str, Value], ...]:
    """Bring options into the types and the order of a function's signature.

    Args:
        function: A rule, a correction or a fine-tuning.
        name: Its name, for errors.
        options: Options, as text or as values.
        kind: Kind of the function.

    Returns:
        tuple[tuple[str, Value], ...]: The options.

    Raises:
        ArgumentError: If there is no such option, or a value is of another type.
    """
    parameters = option_parameters(function, kind)
    for option, value in options.items():
        if option in _GIVEN:
            raise ArgumentError(
                f"Expected {option} beside the recipe, not in it. Found {name}:{option}={value}. "
                f"Pass {option}= to convert, or --steps and --grid on the command line."
            )
        if option not in parameters:
            if not parameters:
                raise ArgumentError(f"Expected no options of {name}, which has none. Found {option!r}.")
            raise unknown_name(f"an option of {name}", option, parameters)
    kinds = annotated_kinds(function)
    found = []
    for option in parameters:
        if option in options:
            try:
                found.append((option, read_value(options[option], kinds.get(option))))
            except ValueError:
                raise ArgumentError(
                    f"Expected {option} of {name} to be {described(kinds.get(option))}. "
                    f"Found {options[option]!r}. Leave it out for {parameters[option].default!r}."
                ) from None
    return tuple(found)


def option_parameters(function: Function, kind: Kind) -> dict[str, inspect.Parameter]:
    """Find the parameters of a function that are its options.

    Args:
        function: A rule, a correction or a fine-tuning.
        kind: Kind of the function.

    Returns:
        dict[str, inspect.Parameter]: By name.
    """
    parameters = list(inspect.signature(function).parameters.values())[_BEFORE_OPTIONS[kind] :]
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {each.name: each for each in parameters if each.name not in _GIVEN and each.kind not in several}


P = ParamSpec("P")
Change = Callable[Concatenate[SpikingPlan, LayerGraph, Observations, P], SpikingPlan]
Correction = Callable[Concatenate[PlanOrNetwork, LayerGraph, Observations, P], SpikingPlan]


def recorded(change: Change[P]) -> Correction[P]:
    """Let a correction or a fine-tuning write itself into the recipe of the plan that it returns.

    Args:
        change: A function of a plan in raw numbers, the graph of its network, and observations.

    Returns:
        A function that takes plans or their networks, makes new tensors on the CPU, and puts the step at the end of
        `plan.recipe`.
    """

    @on_host()
    @functools.wraps(change)
    def corrected(
        plan: PlanOrNetwork,
        graph: LayerGraph,
        observations: Observations,
        /,
        *args: P.args,
        **options: P.kwargs,
    ) -> SpikingPlan:
        given = plan_of(plan)
        made = change(given, graph, observations, *args, **options)
        named = {name: value for name, value in options.items() if name not in _GIVEN}
        name = change.__name__
        step = Step(name, checked_options(change, name, named, "correction"))
        return replace(made, recipe=f"{given.recipe.removesuffix('+none')}+{step}")

    return corrected


def progress_of(function: Function, progress: bool) -> dict[str, Any]:
    """Pass `progress` on to functions that have such an argument."""
    return {"progress": progress} if "progress" in inspect.signature(function).parameters else {}
