"""State dicts of Tianshou 1 and 2: ``policy.state_dict()``, ``algorithm.state_dict()``, and resume files of the latter.

Its Atari network takes frames as they are, 0 to 255, unless Tianshou's own wrapper divides them.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from dqn2snn.errors import CheckpointError
from dqn2snn.io._preset import PRESETS
from dqn2snn.io._q_network import QNetwork
from dqn2snn.io.checkpoints._heads import dueling
from dqn2snn.io.checkpoints._made import q_network_of
from dqn2snn.io.checkpoints._source import Source
from dqn2snn.io.checkpoints._weights import ELSEWHERE, Weights, geometry_of, weights_of

_BODIES = ("net.", "model.model.")
"""Prefixes of the names in `DQNet`, the Atari network, and in `Net`, an MLP."""


def read(source: Source) -> QNetwork | None:
    """Read a state dict of a policy, or of an algorithm with one.

    Args:
        source: The file.

    Returns:
        The network; None if it is another file.

    Raises:
        CheckpointError: If it is one of Tianshou's, but of another network.
    """
    policy = source.under("policy.") or source.tensors
    model = {name.removeprefix("model."): x for name, x in policy.items() if name.startswith("model.")}
    scaled = bool(model) and all(name.startswith("module.") for name in model)
    if scaled:
        model = {name.removeprefix("module."): tensor for name, tensor in model.items()}
    if not any(name.startswith(_BODIES) for name in model):
        return None
    if any("support" in name.split(".") for name in source.tensors):
        raise CheckpointError(
            f"Expected a network of Q-values. Found the support of a categorical one. {ELSEWHERE}"
        )
    layers = _layers(model)
    strides, shape = geometry_of(layers)
    frames = len(shape) > 1
    scaling = "divided by 255" if scaled else "not divided by 255, as with scale_obs=0"
    return q_network_of(
        source,
        layers,
        strides,
        shape,
        rule="tianshou",
        framework="Tianshou",
        divide=frames and scaled,
        preset=PRESETS["tianshou"] if frames else None,
        assumptions=("ReLU", *((f"strides and frames of atari_dqn, {scaling}",) if frames else ())),
    )


def _layers(model: Mapping[str, Tensor]) -> list[Weights]:
    value = {name: tensor for name, tensor in model.items() if name.startswith("V.")}
    advantage = {name: tensor for name, tensor in model.items() if name.startswith("Q.")}
    body = weights_of({name: x for name, x in model.items() if name not in value and name not in advantage})
    return [*body, *dueling(weights_of(value), weights_of(advantage))] if value or advantage else body
