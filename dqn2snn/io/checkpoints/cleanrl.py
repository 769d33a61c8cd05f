"""``.cleanrl_model`` files of CleanRL's torch scripts: ``dqn``, ``dqn_atari``, ``c51`` and ``c51_atari``."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dqn2snn.errors import CheckpointError
from dqn2snn.io._preset import PRESETS
from dqn2snn.io._q_network import QNetwork
from dqn2snn.io.checkpoints._made import q_network_of
from dqn2snn.io.checkpoints._source import Source
from dqn2snn.io.checkpoints._weights import ELSEWHERE, geometry_of, weights_of


class ExpectedValue(nn.Module):
    r"""The readout of a categorical network, C51 (Bellemare et al., 2017, arXiv:1707.06887).

    :math:`Q(s, a) = \sum_i z_i \,\mathrm{softmax}_i(\ell_{a}(s))`, for logits :math:`\ell` and atoms :math:`z`.

    No spiking neuron computes a softmax. Convert the layers before this one, whose outputs are the logits, and let this
    module read the spiking network.

    Args:
        atoms: Their values, ``[N]``.

    Example:
        >>> ExpectedValue(torch.tensor([0.0, 10.0]))(torch.tensor([[3.0, 3.0, -99.0, 99.0]]))  # of two actions
        tensor([[ 5., 10.]])
    """

    atoms: Tensor

    def __init__(self, atoms: Tensor) -> None:
        super().__init__()
        self.register_buffer("atoms", atoms)

    def forward(self, logits: Tensor) -> Tensor:
        """Map logits ``[B, A * N]`` to Q-values ``[B, A]``."""
        distribution: Tensor = logits.unflatten(1, (-1, len(self.atoms))).softmax(dim=2)
        return (distribution * self.atoms).sum(dim=2)

    def extra_repr(self) -> str:
        """Number of atoms, in the representation of the module."""
        return f"{len(self.atoms)} atoms"


def read(source: Source) -> QNetwork | None:
    """Read what the scripts save with ``--save-model``.

    Args:
        source: The file.

    Returns:
        The network; None if it is another file.

    Raises:
        CheckpointError: If it is one of CleanRL's, but of another network.
    """
    named = source.under("network.")
    if (
        source.container != "torch"
        or not named
        or set(source.tensors) - {f"network.{x}" for x in named} - {"atoms"}
    ):
        return None
    layers = weights_of(named)
    strides, shape = geometry_of(layers)
    frames = len(shape) > 1
    atoms = source.tensors.get("atoms")
    return q_network_of(
        source,
        layers,
        strides,
        shape,
        rule="cleanrl",
        framework="CleanRL" if atoms is None else "CleanRL C51",
        divide=frames,
        readout=None if atoms is None else _readout(len(layers[-1].weight), atoms),
        env=_env_id(source.data.get("args")),
        preset=PRESETS["cleanrl"] if frames else None,
        assumptions=("ReLU", *(("strides and frames of dqn_atari, divided by 255",) if frames else ())),
    )


def _readout(outputs: int, atoms: Tensor) -> ExpectedValue:
    if atoms.ndim != 1 or len(atoms) < 2 or outputs % len(atoms):
        raise CheckpointError(
            f"Expected {outputs} logits for each atom of each action. Found atoms {tuple(atoms.shape)}. {ELSEWHERE}"
        )
    return ExpectedValue(atoms.to(torch.float32).clone())


def _env_id(args: Any) -> str:
    found = args.get("env_id") if isinstance(args, dict) else None
    return found if isinstance(found, str) else ""
