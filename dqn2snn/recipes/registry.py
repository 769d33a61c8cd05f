"""Everything that a recipe is made of, by name: rules, corrections, fine-tunings, and those of plug-ins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dqn2snn._utils.nearest import unknown_name
from dqn2snn._utils.plugins import load, plugins
from dqn2snn.errors import ArgumentError
from dqn2snn.recipes._step import Function, Kind
from dqn2snn.recipes.bu2022 import bu2022
from dqn2snn.recipes.burst import burst
from dqn2snn.recipes.correction.ftbc import ftbc
from dqn2snn.recipes.correction.hard_reset import hard_reset
from dqn2snn.recipes.correction.light import light
from dqn2snn.recipes.correction.potential import potential
from dqn2snn.recipes.correction.ridge import ridge
from dqn2snn.recipes.correction.ridge_all import ridge_all
from dqn2snn.recipes.deng2021 import deng2021
from dqn2snn.recipes.diehl2015 import diehl2015
from dqn2snn.recipes.digits import digits
from dqn2snn.recipes.finetune.dsr import dsr
from dqn2snn.recipes.finetune.qcfs import qcfs
from dqn2snn.recipes.finetune.surrogate import surrogate
from dqn2snn.recipes.finetune.tandem import tandem
from dqn2snn.recipes.leaky import leaky
from dqn2snn.recipes.rate import rate
from dqn2snn.recipes.rate_if import rate_if
from dqn2snn.recipes.rueckauer2017 import rueckauer2017
from dqn2snn.recipes.sigma_delta import sigma_delta
from dqn2snn.recipes.tan2021 import tan2021
from dqn2snn.recipes.ttfs import ttfs
from dqn2snn.recipes.xu2026 import xu2026


@dataclass(frozen=True)
class Entry:
    """A function that recipes name.

    Attributes:
        name: Its name in the text of a recipe.
        kind: Rule, correction or fine-tuning.
        function: A rule `(graph, stats, *, num_steps, grid)`, or a change `(plan, graph, observations)`.
    """

    name: str
    kind: Kind
    function: Function


_OURS: Final[dict[Kind, dict[str, Function]]] = {
    "rule": {
        "rate": rate,
        "rate_if": rate_if,
        "burst": burst,
        "digits": digits,
        "leaky": leaky,
        "sigma_delta": sigma_delta,
        "ttfs": ttfs,
        "tan2021": tan2021,
        "diehl2015": diehl2015,
        "rueckauer2017": rueckauer2017,
        "deng2021": deng2021,
        "bu2022": bu2022,
        "xu2026": xu2026,
    },
    "correction": {
        "light": light,
        "potential": potential,
        "ftbc": ftbc,
        "ridge": ridge,
        "ridge_all": ridge_all,
        "hard_reset": hard_reset,
    },
    "finetuning": {"qcfs": qcfs, "dsr": dsr, "surrogate": surrogate, "tandem": tandem},
}

GROUPS: Final[dict[Kind, str]] = {
    "rule": "dqn2snn.recipes",
    "correction": "dqn2snn.corrections",
    "finetuning": "dqn2snn.finetunings",
}
"""Groups of entry points, by which other packages add to a kind."""

_WORDS: Final[dict[Kind, str]] = {
    "rule": "a recipe",
    "correction": "a correction",
    "finetuning": "a fine-tuning",
}


def names_of(*kinds: Kind) -> tuple[str, ...]:
    """List the names of some kinds, the package's own first.

    Args:
        *kinds: Rules, corrections or fine-tunings.

    Returns:
        tuple[str, ...]: All names, once each.

    Example:
        >>> names_of("correction", "finetuning")
        ('light', 'potential', 'ftbc', 'ridge', 'ridge_all', 'hard_reset', 'qcfs', 'dsr', 'surrogate', 'tandem')
    """
    ours = [name for kind in kinds for name in _OURS[kind]]
    return tuple(dict.fromkeys([*ours, *(name for kind in kinds for name in plugins(GROUPS[kind]))]))


def entry_named(name: object, *kinds: Kind) -> Entry:
    """Find a function by its name in recipes, in this package or in a plug-in.

    Args:
        name: Name in the text of a recipe.
        *kinds: Kinds that it may have.

    Returns:
        Entry: The function and its kind.

    Raises:
        ArgumentError: If the name is unknown, or its plug-in is broken.

    Example:
        >>> entry_named("tan2021", "rule").function is tan2021
        True
    """
    for kind in kinds:
        if isinstance(name, str) and name in _OURS[kind]:
            return Entry(name, kind, _OURS[kind][name])
    for kind in kinds:
        others = plugins(GROUPS[kind])
        if isinstance(name, str) and name in others:
            function: Function = load(others[name], _WORDS[kind].split()[-1], ArgumentError)
            return Entry(name, kind, function)
    raise unknown_name(" or ".join(_WORDS[kind] for kind in kinds), name, names_of(*kinds))
