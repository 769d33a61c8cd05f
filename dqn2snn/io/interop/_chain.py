"""A NIR graph as a chain of layers: synapses, then neurons."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dqn2snn.errors import UnsupportedModuleError

SYNAPSES = ("Conv2d", "Affine", "Linear", "SumPool2d", "AvgPool2d", "Flatten")
"""Nodes between neurons that a plan can hold."""

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Neurons:
    """Integrate-and-fire neurons, whichever nodes they are made of.

    Attributes:
        threshold: Amount that a soft reset takes, or membrane at which a hard one happens, `[*shape]`.
        r: Factor of the current, `[*shape]`.
        reset: "subtract" or "zero", as the nodes say.
        fires_at: Membrane above which they fire; with v_init, where that is known, it gives `threshold`.
        metadata: Metadata of their node.
    """

    threshold: Array
    r: Array
    reset: str
    fires_at: Array
    metadata: dict[str, Any]


@dataclass
class Link:
    """One layer.

    Attributes:
        synapses: Nodes from the neurons before, by name, in order.
        neurons: None behind the last synapses.
    """

    synapses: list[tuple[str, Any]] = field(default_factory=list)
    neurons: Neurons | None = None


def chain_of(nir: Any, graph: Any) -> list[Link]:
    """Follow the edges of a graph from its input to its output.

    Args:
        nir: The package.
        graph: A `nir.NIRGraph`.

    Returns:
        list[Link]: The layers in order.

    Raises:
        UnsupportedModuleError: If the graph is no chain, or has neurons of another kind.
    """
    after: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for start, end in graph.edges:
        if start not in after or end not in after:
            raise refusal(f"an edge from {start!r} to {end!r}, which are not both nodes")
        after[start].append(end)
    links, name, passed = [Link()], _only(list(graph.inputs), "inputs"), set()
    while not isinstance(graph.nodes[name], nir.Output):
        if name in passed:
            raise refusal(f"a loop through {name!r}")
        passed.add(name)
        node, following = graph.nodes[name], after[name]
        if isinstance(node, nir.IF):
            links[-1].neurons = _integrate_and_fire(node)
        elif isinstance(node, nir.I):
            links[-1].neurons, name, following = _composite(nir, graph, name, after)
        elif type(node).__name__ in SYNAPSES:
            links[-1].synapses.append((name, node))
        elif not isinstance(node, nir.Input):
            raise refusal(f"node {name!r}, a {type(node).__name__}")
        if links[-1].neurons is not None and not isinstance(graph.nodes[_only(following, name)], nir.Output):
            links.append(Link())
        name = _only(following, name)
    return links


def _integrate_and_fire(node: Any) -> Neurons:
    if (np.asarray(node.v_reset) != 0).any():
        raise refusal("neurons with v_reset other than 0")
    return Neurons(node.v_threshold, node.r, "zero", node.v_threshold, node.metadata)


def _composite(
    nir: Any, graph: Any, name: str, after: dict[str, list[str]]
) -> tuple[Neurons, str, list[str]]:
    """Neurons of three nodes: a spike of the second goes on, and through the third back to the first."""
    fire = _only(after[name], name)
    back = [
        each for each in after[fire] if after[each] == [name] and isinstance(graph.nodes[each], nir.Scale)
    ]
    if not isinstance(graph.nodes[fire], nir.Threshold) or len(back) != 1:
        raise refusal(f"an integrator {name!r} that is not followed by a threshold with one scale back")
    node = graph.nodes[name]
    threshold, fires_at = -graph.nodes[back[0]].scale, graph.nodes[fire].threshold
    neurons = Neurons(threshold, node.r, "subtract", fires_at, node.metadata)
    return neurons, fire, [each for each in after[fire] if each not in back]


def _only(names: list[str], where: str) -> str:
    if len(names) != 1:
        raise refusal(f"{len(names)} ways on at {where!r}")
    return names[0]


def refusal(found: str) -> UnsupportedModuleError:
    """The error for what a plan cannot be."""
    return UnsupportedModuleError(
        "Expected a NIR graph that is a chain of convolutions, matrices, poolings and integrate-and-fire neurons. "
        f"Found {found}. Read it with nirtorch, or change the graph."
    )
