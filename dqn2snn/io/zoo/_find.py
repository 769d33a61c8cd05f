"""Where agents are: in the package, in a checkout's ``zoo/atari``, or in ``DQN2SNN_ZOO``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "weights.safetensors"
VARIABLE = "DQN2SNN_ZOO"
_SHIPPED = Path(__file__).with_name("agents")
_CHECKOUT = Path(__file__).parents[3] / "zoo" / "atari"


def names() -> tuple[str, ...]:
    """List the agents that come with the package; `atari_names` lists those that are too large for it.

    Returns:
        Their names, sorted.

    Example:
        >>> "minatar-freeway" in names()
        True
    """
    return tuple(sorted(path.parent.name for path in _SHIPPED.glob(f"*/{CONFIG_FILE}")))


def atari_names() -> tuple[str, ...]:
    """List the Atari agents at hand, which are too large for the package.

    They are looked for in ``zoo/atari`` beside the package, where a clone of the repository has them, and in the
    directory that the environment variable ``DQN2SNN_ZOO`` names, which is laid out likewise.

    Returns:
        Their games as in environment ids, sorted: ``"RoadRunner"``. A second agent of a game has its body behind it:
        ``"CrazyClimberNature"``.
    """
    return tuple(sorted({_titled(path.name) for path in _directories()}))


def find(name: str) -> Path | None:
    """Find the directory of an agent.

    Args:
        name: One of `names`, ``"RoadRunner"`` or ``"road_runner"``.

    Returns:
        The directory; None if there is none.
    """
    if name in names():
        return _SHIPPED / name
    return next((path for path in _directories() if _key(path.name) == _key(name)), None)


def looked_in() -> str:
    """Say where `find` looks, for an error.

    Returns:
        Places, with commas.
    """
    variable = os.environ.get(VARIABLE)
    return f"{_CHECKOUT}, and {variable or 'nowhere else, since it is not set'} ({VARIABLE})"


def _directories() -> Iterator[Path]:
    variable = os.environ.get(VARIABLE)
    for root in (_CHECKOUT, *([Path(variable)] if variable else [])):
        yield from sorted(path.parent for path in root.glob(f"*/{CONFIG_FILE}"))


def _titled(directory: str) -> str:
    """As ale-py makes ids from the names of its files."""
    return directory.title().replace("_", "")


def _key(name: str) -> str:
    return name.lower().replace("_", "")
