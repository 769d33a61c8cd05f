"""Files that a command writes: refused before any work, and there when they are complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from dqn2snn.errors import ArgumentError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PICTURES = (".png", ".pdf", ".svg")


def check_directory(path: Path) -> None:
    """Refuse a file that could not be written.

    Args:
        path: The file.

    Raises:
        ArgumentError: If its directory does not exist, or it is a directory itself.
    """
    if not path.parent.is_dir():
        raise ArgumentError(
            f"Expected a file in a directory that exists. Found {str(path)!r}. Make {path.parent}."
        )
    if path.is_dir():
        raise ArgumentError(
            f"Expected a file to write. Found the directory {str(path)!r}. Name a file in it."
        )


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give another path to write to, which takes the place of the file when the block ends well.

    Args:
        path: The file.

    Yields:
        Path: In the same directory, with the same suffix.
    """
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def check_picture(path: Path) -> None:
    """Refuse a picture that could not be drawn.

    Args:
        path: The file.

    Raises:
        ArgumentError: If its suffix is not that of a picture, or its directory does not exist.
    """
    if path.suffix not in PICTURES:
        raise ArgumentError(f"Expected a picture that ends in {', '.join(PICTURES)}. Found {str(path)!r}.")
    check_directory(path)
    from dqn2snn._utils.extras import require

    require("matplotlib", extra="plot")


def draw(axes: Axes, path: Path) -> None:
    """Save the picture that some axes are in.

    Args:
        axes: What was drawn.
        path: The file.
    """
    figure = cast("Figure", axes.figure)
    with replacing(path) as part:
        figure.savefig(part)
