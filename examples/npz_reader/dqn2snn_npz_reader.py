"""A reader of NumPy's ``.npz`` files with arrays named ``0.weight``, ``0.bias``, ``2.weight``, ..."""

from __future__ import annotations

import numpy as np
import torch

from dqn2snn.io.checkpoints import (
    QNetwork,
    Source,
    geometry_of,
    q_network_of,
    weights_of,
)

__all__ = ["read"]


def read(source: Source) -> QNetwork | None:
    """Read a file of ``numpy.savez``.

    Args:
        source: The file.

    Returns:
        The network; None if it is another file, for which other readers are asked.
    """
    if source.container != "other" or source.path.suffix != ".npz":
        return None
    with np.load(source.path, allow_pickle=False) as arrays:
        layers = weights_of({name: torch.from_numpy(arrays[name]) for name in arrays.files})
    strides, shape = geometry_of(layers)
    return q_network_of(source, layers, strides, shape, rule="npz", framework="NumPy")
