"""Marked places in pages, into which measured tables go."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

__all__ = ["DOCS", "RESULTS", "ROOT", "filled", "filled_pages"]

DOCS = Path(__file__).resolve().parents[1]
RESULTS = DOCS / "results"
ROOT = DOCS.parent


def filled(page: str, content: Mapping[str, str]) -> str:
    """Put tables between their marks, ``<!-- name -->`` and ``<!-- /name -->``.

    Args:
        page: A page in Markdown.
        content: Tables by the names of their places; what stands there is replaced.

    Returns:
        str: The page with all tables in their places.

    Raises:
        ValueError: If the page lacks a place.

    Example:
        >>> page = filled("<!-- few -->old<!-- /few -->", {"few": "| new |"})
        >>> page.split()
        ['<!--', 'few', '-->', '|', 'new', '|', '<!--', '/few', '-->']
    """
    for name, table in content.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, opened, rest = page.partition(begin)
        _, closed, after = rest.partition(end)
        if not (opened and closed):
            raise ValueError(f"Expected a page with the place {name!r}. Found none. Write {begin} and {end}.")
        page = f"{before}{begin}\n\n{table.rstrip()}\n\n{end}{after}"
    return page


def filled_pages(content: Mapping[Path, Mapping[str, str]]) -> dict[Path, str]:
    """Pages with their tables, as they have to be.

    Args:
        content: Tables of each page by the names of their places.

    Returns:
        dict[Path, str]: The text of each page.
    """
    return {path: filled(path.read_text(encoding="utf-8"), tables) for path, tables in content.items()}
