"""Marked places in pages, into which measured tables go."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["filled"]


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
