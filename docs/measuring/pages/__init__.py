"""Pages whose tables come from docs/results: `python docs/measure.py fill NAME ...`.

A module for each group of tables. Its docstring names the commands that measured them, its `pages()` is the text that
the pages have to have, and its `draw()`, where there is one, makes the pictures beside the raw results.
"""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = ["NAMES", "fill", "page_module"]

NAMES = (
    "anytime",
    "architecture",
    "atari",
    "checkpoints",
    "codes",
    "finetuning",
    "grid",
    "hardware",
    "nir",
    "prediction",
    "results",
    "speed",
    "table",
    "versions",
)
"""All groups of tables."""


def page_module(name: str) -> ModuleType:
    """The module of a group of tables."""
    return importlib.import_module(f"{__name__}.{name}")


def fill(name: str) -> None:
    """Write the pages of a group of tables, and draw its pictures.

    Args:
        name: Out of `NAMES`.
    """
    module = page_module(name)
    for path, text in module.pages().items():
        path.write_text(text, encoding="utf-8")
    if hasattr(module, "draw"):
        module.draw()
