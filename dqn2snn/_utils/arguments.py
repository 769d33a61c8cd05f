"""Arguments of command lines: a parser that refuses in one line, and the kinds of numbers that commands take."""

from __future__ import annotations

import argparse
from typing import NoReturn

from dqn2snn.errors import ArgumentError


class Parser(argparse.ArgumentParser):
    """A parser that refuses in one line, like everything else in dqn2snn."""

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments.

        Args:
            message: Why.

        Raises:
            ArgumentError: Always.
        """
        stop = "" if message.endswith((".", "?")) else "."
        raise ArgumentError(f"{message}{stop} See {self.prog} --help.")


def positive_number(text: str) -> int:
    """A whole number above 0."""
    return _whole(text, 1, "a whole number above 0")


def natural_number(text: str) -> int:
    """A whole number, 0 or more."""
    return _whole(text, 0, "a whole number, 0 or more")


def probability(text: str) -> float:
    """A number in [0, 1]."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a probability in [0, 1]. Found {text!r}")
    return value


def agreement(text: str) -> float:
    """A number in (0, 1)."""
    value = probability(text)
    if value in (0, 1):
        raise argparse.ArgumentTypeError(f"expected an agreement in (0, 1). Found {text!r}")
    return value


def grid(text: str) -> int | str:
    """`auto`, `none` or a number of fraction bits."""
    return text if text in ("auto", "none") else _whole(text, 0, "auto, none or a number of fraction bits")


def _whole(text: str, least: int, expected: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"expected {expected}. Found {text!r}")
    return value
