"""From a NIR graph to a plan."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from dqn2snn._utils.extras import require
from dqn2snn._utils.host import on_host
from dqn2snn.errors import ArgumentError, CheckpointError
from dqn2snn.io.interop._chain import chain_of
from dqn2snn.io.interop._foreign import foreign_plan
from dqn2snn.io.interop._heaps import check_heaps
from dqn2snn.io.interop._ours import our_plan
from dqn2snn.io.interop._to_nir import KEY
from dqn2snn.plan import Reset, SpikingPlan


@on_host()
def from_nir(
    graph: Any | str | os.PathLike[str], *, num_steps: int | None = None, reset: Reset | None = None
) -> SpikingPlan:
    """Read a NIR graph.

    A graph of `to_nir` gives the plan that it was made of, bit by bit, checked against a checksum in its metadata.

    In any other graph, or if an option is given, nodes are read as they are: neurons begin at zero, are reset to zero,
    and fire at their threshold (NIR says above it, which is the same where membranes do not meet it exactly). The last
    affine node, or the neurons behind it, become the output, whose rates are the Q-values.

    Args:
        graph: A `nir.NIRGraph`, or a file that `nir.write` wrote.
        num_steps: Time steps of a decision, which NIR does not know.
        reset: "subtract" for neurons from which a spike takes the threshold, whatever the nodes say: NIR has only
            "zero", but networks are exported as if it were the other.

    Returns:
        SpikingPlan: `dqn2snn.SpikingQNetwork(plan)` is the network.

    Raises:
        ArgumentError: If a graph without our metadata comes without `num_steps`.
        CheckpointError: If the file is missing or damaged, or the graph is not what its metadata says.
        MissingExtraError: If nir is not installed.
        UnsupportedModuleError: If the graph is no chain of layers, or has other neurons.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> import dqn2snn
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> snn = dqn2snn.convert(net, torch.rand(64, 4), recipe="rate_if", num_steps=16)
        >>> again = dqn2snn.SpikingQNetwork(from_nir(dqn2snn.to_nir(snn.plan)))
        >>> bool((again(torch.ones(1, 4)) == snn(torch.ones(1, 4))).all())
        True
    """
    nir = require("nir", extra="nir")
    read = _read(nir, graph) if isinstance(graph, (str, os.PathLike)) else graph
    if not isinstance(read, nir.NIRGraph):
        raise ArgumentError(
            f"Expected a nir.NIRGraph or the path of a file. Found {type(graph).__name__}. Use dqn2snn.to_nir."
        )
    links = chain_of(nir, read)
    if KEY in read.metadata and num_steps is None and reset is None:
        return our_plan(nir, read, links)
    if num_steps is None:
        raise ArgumentError(
            "Expected num_steps for a graph that does not name it. Found None. Pass the time steps of a decision."
        )
    return foreign_plan(nir, links, num_steps, reset)


def _read(nir: Any, path: str | os.PathLike[str]) -> Any:
    if not Path(path).is_file():
        raise CheckpointError(f"Expected a NIR file at {path}. Found none. Check the path.")
    try:
        check_heaps(Path(path).read_bytes())
        return nir.read(path)
    except Exception as error:  # h5py and nir raise whatever they meet in a damaged file
        raise CheckpointError(
            f"Expected a NIR file at {path}. Found a file that is damaged or another: {error!r}. Write it again."
        ) from None
