"""Tables of plain text and of Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns under their names, the first one aligned left and the others right.

    Example:
        >>> print(format_table(["layer", "neurons"], [["conv1", "1024"], ["fc", "128"]]))
        layer  neurons
        conv1     1024
        fc         128
    """
    table = [list(header), *map(list, rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    return "\n".join(lines)


def as_markdown(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A table for a page.

    Args:
        header: Names of the columns.
        rows: Cells.
        left: How many columns are aligned left; the others are aligned right.

    Returns:
        str: Markdown, with a line end.

    Example:
        >>> print(as_markdown(["agent", "T"], [["cartpole", "64"]]), end="")
        | agent | T |
        | --- | ---: |
        | cartpole | 64 |
    """
    rule = ["---" if column < left else "---:" for column in range(len(header))]
    return "".join(f"| {' | '.join(line)} |\n" for line in (header, rule, *rows))
