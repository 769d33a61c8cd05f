"""State dicts for a module of the caller's."""

from __future__ import annotations

import copy

import torch
from torch import nn

from dqn2snn.errors import CheckpointError
from dqn2snn.io._q_network import Provenance, QNetwork
from dqn2snn.io.checkpoints._source import Source


def read_into(module: nn.Module, source: Source) -> QNetwork:
    """Load a state dict into a copy of a module.

    Args:
        module: Has the same names and shapes; its weights do not matter.
        source: The file.

    Returns:
        The copy, in float32. Only its caller knows the shape of its observations.

    Raises:
        CheckpointError: If names or shapes differ.
    """
    network, kind = copy.deepcopy(module), type(module).__name__
    expected = network.state_dict()
    if missing := sorted(set(expected) ^ set(source.tensors)):
        raise CheckpointError(
            f"Expected the tensors of {kind}: {', '.join(list(expected)[:4])}, ... Found "
            f"{', '.join(list(source.tensors)[:4]) or 'none'}, ...; only one side has {', '.join(missing[:4])}. "
            "Build the module as it was built for training."
        )
    for name, tensor in source.tensors.items():
        if tensor.shape != expected[name].shape:
            raise CheckpointError(
                f"Expected {name!r} of shape {tuple(expected[name].shape)}, as {kind} has it. Found "
                f"{tuple(tensor.shape)}. Build the module as it was built for training."
            )
    network.load_state_dict(dict(source.tensors))
    return QNetwork(
        network.to(torch.float32).eval().requires_grad_(False),
        name=source.path.stem,
        provenance=Provenance(str(source.path), "module", f"a state dict of {kind}", source.sha256),
    )
