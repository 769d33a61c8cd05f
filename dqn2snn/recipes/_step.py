"""One step of a recipe: a function of the registry, or of the user, with options."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Concatenate, ParamSpec

from dqn2snn._utils.host import on_host
from dqn2snn._utils.nearest import unknown_name
from dqn2snn.errors import ArgumentError
from dqn2snn.plan import PlanOrNetwork, SpikingPlan, plan_of
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes._values import Value, annotated_kinds, described, read_value, value_text
from dqn2snn.tracing.observations import Observations

__all__ = ["Function", "Step", "checked_options", "option_parameters", "progress_of", "recorded"]

Function = Callable[..., SpikingPlan]
"""A rule `(graph, stats, *, num_steps, grid, ...)`, or a correction `(plan, graph, observations, *, ...)`."""

_GIVEN = ("num_steps", "grid", "progress")
"""What `convert` gives to these functions by name: no options of a recipe."""


@dataclass(frozen=True)
class Step:
    """A name with options, as it stands in the text of a recipe.

    Attributes:
        name: Of the function.
        options: Names and values, in the order of the function's signature.
        function: The user's own; None for one of the registry.
    """

    name: str
    options: tuple[tuple[str, Value], ...] = ()
    function: Function | None = None

    def __str__(self) -> str:
        return ":".join([self.name, *(f"{name}={value_text(value)}" for name, value in self.options)])


def checked_options(
    function: Function, name: str, options: Mapping[str, object], skipped: int
) -> tuple[tuple[str, Value], ...]:
    """Options in the types and in the order of a function's signature.

    Args:
        function: Whose options they are.
        name: What it is called.
        options: As text or as values.
        skipped: How many parameters come before its options.

    Returns:
        tuple[tuple[str, Value], ...]: The options.

    Raises:
        ArgumentError: If there is no such option, or a value is of another type.
    """
    parameters = option_parameters(function, skipped)
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


def option_parameters(function: Function, skipped: int) -> dict[str, inspect.Parameter]:
    """The parameters of a function that are its options.

    Args:
        function: A rule or a correction.
        skipped: How many parameters come before its options.

    Returns:
        dict[str, inspect.Parameter]: By name.
    """
    parameters = list(inspect.signature(function).parameters.values())[skipped:]
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {each.name: each for each in parameters if each.name not in _GIVEN and each.kind not in several}


P = ParamSpec("P")
Change = Callable[Concatenate[SpikingPlan, LayerGraph, Observations, P], SpikingPlan]
Correction = Callable[Concatenate[PlanOrNetwork, LayerGraph, Observations, P], SpikingPlan]


def recorded(change: Change[P]) -> Correction[P]:
    """Decorator of corrections and fine-tunings: the plan that they return says in its recipe what was done.

    Args:
        change: From a plan in raw numbers, the graph of its network and observations to another plan.

    Returns:
        The same for plans and for their networks, with new tensors on the CPU, and the step at the end of
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
        asked = {name: value for name, value in options.items() if name not in _GIVEN}
        name = change.__name__
        step = Step(name, checked_options(change, name, asked, 3))
        return replace(made, recipe=f"{given.recipe.removesuffix('+none')}+{step}")

    return corrected


def progress_of(function: Function, progress: bool) -> dict[str, Any]:
    """The argument that switches a progress bar on, of functions that have one."""
    return {"progress": progress} if "progress" in inspect.signature(function).parameters else {}
