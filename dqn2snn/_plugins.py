"""What installed packages add by entry points."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from dqn2snn.errors import Dqn2SnnError

__all__ = ["load", "plugins"]


def plugins(group: str) -> dict[str, EntryPoint]:
    """The plug-ins of a group. Nothing of them is imported.

    Args:
        group: ``"dqn2snn.recipes"`` or ``"dqn2snn.checkpoints"``.

    Returns:
        dict[str, EntryPoint]: By name, sorted.
    """
    return {entry.name: entry for entry in sorted(entry_points(group=group), key=lambda entry: entry.name)}


def load(entry: EntryPoint, what: str, kind: type[Dqn2SnnError]) -> Any:
    """Import a plug-in.

    Args:
        entry: The entry point.
        what: What it should be, for the error.
        kind: Of the error.

    Returns:
        The object that it names.

    Raises:
        Dqn2SnnError: If it cannot be imported; of the given kind.
    """
    try:
        return entry.load()
    except (ImportError, AttributeError) as error:
        raise kind(
            f"Expected the {what} {entry.value!r}, which an installed package names. Found that it cannot be imported "
            f"({error}). Repair or remove the package."
        ) from error
