"""Docstrings stand alone: they say what a thing is, in the field's nouns, and lean on nothing before them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import dqn2snn

PACKAGE = Path(dqn2snn.__file__).parent
OPENINGS = ("Of ", "As of ", "The same", "What ")
NAMES = {"noted", "told", "shown", "lesson"}
"""Words that say nothing of what a value is."""


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield str(path.relative_to(PACKAGE)), ast.parse(path.read_text(encoding="utf-8"))


def test_no_docstring_leans_on_the_one_before() -> None:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    leaning = [
        (name, text.splitlines()[0])
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, documented) and (text := ast.get_docstring(node) or "").startswith(OPENINGS)
    ]
    assert not leaning


def test_values_have_nouns_for_names() -> None:
    found = [
        (name, node.id)
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id in NAMES
    ]
    assert not found
