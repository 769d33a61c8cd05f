"""Values of options: as text, and read from text by the annotation of their parameter."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

Value = bool | int | float | str | None

Kinds = frozenset[type]

_ALL: Kinds = frozenset({bool, int, float, str, types.NoneType})
_WORDS = {
    types.NoneType: "none",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a word",
}
_SEPARATORS = frozenset("+:=")


def value_text(value: Value) -> str:
    """Write a value as it stands in the text of a recipe.

    Example:
        >>> [value_text(value) for value in (None, True, 4, 100.0, 1e-5, "max")]
        ['none', 'true', '4', '100', '1e-05', 'max']
    """
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).removesuffix(".0").replace("e+", "e")
    return str(value)


def read_value(given: object, kinds: Kinds | None) -> Value:
    """Read a value of one of some types, from text or from a value of Python.

    Args:
        given: The text, or the value.
        kinds: The types; None for any.

    Returns:
        Value: None, then true or false, then a number is tried before text is taken for a word.

    Raises:
        ValueError: If it is of none of the types.

    Example:
        >>> read_value("99.9", frozenset({str, float})), read_value("max", frozenset({str, float}))
        (99.9, 'max')
    """
    kinds = _ALL if kinds is None else kinds
    if isinstance(given, str):
        return _of_text(given, kinds)
    if given is None and types.NoneType in kinds:
        return None
    if isinstance(given, bool) and bool in kinds:
        return given
    if isinstance(given, Integral) and not isinstance(given, bool) and int in kinds:
        return int(given)
    if isinstance(given, Real) and not isinstance(given, bool) and float in kinds:
        return _finite(float(given))
    raise ValueError(given)


def _of_text(text: str, kinds: Kinds) -> Value:
    constants: dict[str, tuple[type, Value]] = {
        "none": (types.NoneType, None),
        "true": (bool, True),
        "false": (bool, False),
    }
    kind, constant = constants.get(text.lower(), (str, text))
    if kind is not str and kind in kinds:
        return constant
    numbers: tuple[tuple[type, Callable[[str], Value]], ...] = ((int, int), (float, _number))
    for kind, read in numbers:
        if kind in kinds:
            try:
                return read(text)
            except ValueError:
                continue
    if str not in kinds or not text or _SEPARATORS & set(text):
        raise ValueError(text)
    return text


def _number(text: str) -> float:
    return _finite(float(text))


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError(number)
    return number


def annotated_kinds(function: Callable[..., Any]) -> dict[str, Kinds]:
    """Find the types of a function's parameters, of those that values of recipes may have.

    Args:
        function: With annotations or without.

    Returns:
        dict[str, frozenset[type]]: By name of the parameter.
    """
    try:
        hints = typing.get_type_hints(function)
    except (NameError, TypeError):  # annotations that exist for type checkers only
        return {}
    kinds = {name: _kinds(hint) for name, hint in hints.items()}
    return {name: found for name, found in kinds.items() if found and found <= _ALL}


def _kinds(hint: Any) -> Kinds:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return frozenset().union(*map(_kinds, typing.get_args(hint)))
    if typing.get_origin(hint) is typing.Literal:
        return frozenset(map(type, typing.get_args(hint)))
    return frozenset({hint}) if isinstance(hint, type) else frozenset({object})


def described(kinds: Kinds | None) -> str:
    """Name types in words: "a whole number, or none"."""
    words = [word for kind, word in _WORDS.items() if kind in (_ALL if kinds is None else kinds)]
    return ", or ".join(reversed(words))
