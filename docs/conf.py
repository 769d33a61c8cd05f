"""Sphinx settings: pages in Markdown, the reference from the docstrings, every warning an error."""

from __future__ import annotations

import re
from typing import Any

import dqn2snn

project = "dqn2snn"
author = "The dqn2snn developers"
version = release = dqn2snn.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
default_role = "code"
exclude_patterns = ["_build", "measuring", "results"]

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = "dqn2snn"


def read_as_written(_app: Any, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """Show docstrings as they look in the source: an indented equation keeps its lines, ``[B, *shape]`` its star."""
    shown: list[str] = []
    for line in lines:
        if _opens_equation(line, shown):
            shown += ["::", ""]
        shown.append(_with_literal_stars(line))
    lines[:] = shown


def _opens_equation(line: str, before: list[str]) -> bool:
    if not line.startswith("    ") or line.lstrip().startswith((">>>", "* ", "- ")) or len(before) < 2:
        return False
    paragraph, gap = before[-2:]
    return not gap and paragraph[:1].strip() != "" and not paragraph.endswith("::")


def _with_literal_stars(line: str) -> str:
    parts = line.split("`")
    parts[::2] = [re.sub(r"(\[|, )\*(?=\w)", r"\1\\*", outside_code) for outside_code in parts[::2]]
    return "`".join(parts)


def setup(app: Any) -> None:
    """Register the hook before that of napoleon, whose priority is 500."""
    app.connect("autodoc-process-docstring", read_as_written, priority=400)
