"""Steps of a recipe by name: parsing their text, and finding their functions."""

from __future__ import annotations

from collections.abc import Mapping

from dqn2snn.errors import ArgumentError
from dqn2snn.recipes._step import Function, Kind, Step, checked_options
from dqn2snn.recipes.registry import entry_named, names_of


def parsed(text: str, options: Mapping[str, object]) -> tuple[str, dict[str, object]]:
    """Split the text of one step into its name and its options.

    Args:
        text: `name[:option=value]...`.
        options: Further options, beside those in the text.

    Returns:
        tuple[str, dict[str, object]]: The name, and all options; those of the text are still text.

    Raises:
        ArgumentError: If an option has no value, or is there twice.
    """
    name, *written = text.split(":")
    found = dict(options)
    for each in written:
        option, equals, value = each.partition("=")
        if not equals:
            raise ArgumentError(
                f"Expected options as name=value. Found {each!r} in {text!r}. Write {name}:name=value."
            )
        if option in found:
            raise ArgumentError(f"Expected {option} of {name} once. Found it twice. Leave one out.")
        found[option] = value
    return name, found


def step_of(named: str | Function, options: Mapping[str, object], *kinds: Kind) -> Step:
    """Make a step of a registered name, or of any function.

    Args:
        named: The name, or the function itself.
        options: Options, as text or as values.
        *kinds: Kinds that the step may have.

    Returns:
        Step: With checked options.

    Raises:
        ArgumentError: If the name is unknown, the function has none, or an option is wrong.
    """
    if not callable(named):
        function = entry_named(named, *kinds).function
        return Step(named, checked_options(function, named, options, kinds[0]))
    name = getattr(named, "__name__", None)
    if not isinstance(name, str):
        raise ArgumentError(
            f"Expected a function with a name. Found {named!r}. Pass the function itself, and its options beside it."
        )
    registered = name in names_of(*kinds) and entry_named(name, *kinds).function is named
    return Step(name, checked_options(named, name, options, kinds[0]), None if registered else named)


def function_of(step: Step, *kinds: Kind) -> Function:
    """Find the function of a step.

    Args:
        step: The step.
        *kinds: Kinds that it may have.

    Returns:
        Function: The user's own, or that of the registry.
    """
    return step.function or entry_named(step.name, *kinds).function
