"""Entry points by which installed packages add to this one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from dqn2snn.errors import Dqn2SnnError


def plugins(group: str) -> dict[str, list[EntryPoint]]:
    """The plug-ins of a group. Nothing of them is imported.

    Args:
        group: ``"dqn2snn.recipes"``, ``"dqn2snn.backends"`` or ``"dqn2snn.checkpoints"``.

    Returns:
        dict[str, list[EntryPoint]]: By name, sorted; several of a name if packages are at odds.
    """
    found: dict[str, dict[str, EntryPoint]] = {}
    for entry in sorted(entry_points(group=group), key=lambda entry: (entry.name, entry.value)):
        found.setdefault(entry.name, {})[entry.value] = entry  # a package may be found twice on the path
    return {name: list(entries.values()) for name, entries in found.items()}


def load(
    entries: Sequence[EntryPoint], what: str, kind: type[Dqn2SnnError], fits: Callable[[Any], bool] = callable
) -> Any:
    """Import a plug-in.

    Args:
        entries: All entry points of its name.
        what: In a word, what it should be, for the error.
        kind: Of the error.
        fits: Whether an object is that.

    Returns:
        The object that it names.

    Raises:
        Dqn2SnnError: If there are several, it cannot be imported, or is of another type; of the given kind. What
            our own modules raise, such as a missing extra, is passed on.
    """
    entry, *others = entries
    if others:
        rivals = ", ".join(repr(each.value) for each in entries)
        raise kind(
            f"Expected one {what} {entry.name!r}. Found {len(entries)}, of as many packages: {rivals}. Remove all "
            "packages but one."
        )
    place = f"Expected the {what} {entry.value!r}, which an installed package names."
    try:
        found = entry.load()
    except Dqn2SnnError:
        raise
    except Exception as error:
        raise kind(
            f"{place} Found that it cannot be imported ({error}). Repair or remove the package."
        ) from error
    if not fits(found):
        raise kind(f"{place} Found an object of type {type(found).__name__}. Repair or remove the package.")
    return found
