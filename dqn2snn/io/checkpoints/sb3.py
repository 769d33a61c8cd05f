"""Zips of Stable-Baselines3's DQN, and what those of its kin have in common. Neither library is needed.

``policy.pth`` holds the weights, ``data`` what the model was made with, as JSON. Beside the readable fields, ``data``
has pickles in base64, of spaces and schedules; they are never opened, so that zips of any version load, those with
spaces of the old gym included.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from dqn2snn.errors import CheckpointError
from dqn2snn.io._preset import PRESETS
from dqn2snn.io._q_network import QNetwork
from dqn2snn.io.checkpoints._made import q_network_of
from dqn2snn.io.checkpoints._source import Source
from dqn2snn.io.checkpoints._weights import ELSEWHERE, Weights, geometry_of, weights_of

_ACTIVATION, _EXTRACTORS = "ReLU", ("NatureCNN", "FlattenExtractor")


class Spaces(NamedTuple):
    """Observations and actions of a model, as far as ``data`` says them in plain text."""

    observation_shape: tuple[int, ...]
    divide: bool
    num_actions: int


def read(source: Source) -> QNetwork | None:
    """Read ``DQN(...).save(path)``.

    Args:
        source: The file.

    Returns:
        The network; None if it is another file.

    Raises:
        CheckpointError: If it is of another algorithm, or of a policy with parts that cannot be known.
    """
    if source.container != "sb3":
        return None
    if not (tensors := source.under("q_net.")):
        algorithms = sorted({name.partition(".")[0] for name in source.tensors})
        raise CheckpointError(
            f"Expected a DQN of Stable-Baselines3, or a QR-DQN of sb3-contrib. Found one of {', '.join(algorithms)}. "
            "Only Q-networks can be converted."
        )
    spaces = spaces_of(source)
    layers = layers_of(tensors, "q_net.")
    if len(layers[-1].weight) != spaces.num_actions:
        raise CheckpointError(
            f"Expected {spaces.num_actions} Q-values, one an action. Found {len(layers[-1].weight)}. Save it again."
        )
    return q_network_of_spaces(source, layers, spaces, rule="sb3", framework="Stable-Baselines3")


def layers_of(tensors: Mapping[str, Any], head: str) -> list[Weights]:
    """The layers of a policy: those of the features extractor, then those whose names begin with the head's."""
    layers = weights_of(
        {name: x for name, x in tensors.items() if name.startswith(("features_extractor.", head))}
    )
    if not layers:
        raise CheckpointError(f"Expected the weights of a Q-network. Found none under {head!r}. {ELSEWHERE}")
    return layers


def spaces_of(source: Source) -> Spaces:
    """Read the spaces that the model was made for, and refuse networks that the weights alone do not tell.

    Raises:
        CheckpointError: If they are no box and no numbered actions, or the policy has parts of its user's.
    """
    policy = _mapping(source, "policy_kwargs")
    _check_known(policy, "activation_fn", (_ACTIVATION,))
    _check_known(policy, "features_extractor_class", _EXTRACTORS)
    observations, actions = _mapping(source, "observation_space"), _mapping(source, "action_space")
    shape: Any = observations.get("_shape", observations.get("shape"))
    if not _is_kind(observations, "Box") or not _is_shape(shape):
        raise CheckpointError(
            f"Expected observations in a Box. Found {observations.get(':type:', 'none')} of shape {shape}. {ELSEWHERE}"
        )
    if not _is_kind(actions, "Discrete") or not re.fullmatch(r"[1-9]\d{0,6}", str(actions.get("n"))):
        raise CheckpointError(
            f"Expected Discrete actions. Found {actions.get(':type:', 'none')}, n {actions.get('n')!r}. Save it again."
        )
    divide = policy.get("normalize_images", True) is not False and _is_image(observations, shape)
    return Spaces(tuple(shape), divide, int(str(actions["n"])))


def q_network_of_spaces(
    source: Source, layers: list[Weights], spaces: Spaces, *, rule: str, framework: str
) -> QNetwork:
    """The Q-network of a zip.

    Frames of 84 x 84 are taken to be those of Stable-Baselines3's Atari wrappers.
    """
    strides, _ = geometry_of(layers)
    atari = spaces.observation_shape[1:] == (84, 84) and spaces.divide
    return q_network_of(
        source,
        layers,
        strides,
        spaces.observation_shape,
        rule=rule,
        framework=f"{framework} {source.data.get('version', '')}".strip(),
        divide=spaces.divide,
        preset=replace(PRESETS["sb3"], stack=spaces.observation_shape[0]) if atari else None,
        assumptions=("the Atari wrappers of Stable-Baselines3",) if atari else (),
    )


def _mapping(source: Source, name: str) -> dict[str, Any]:
    found = source.data.get(name, {})
    if not isinstance(found, dict):
        raise CheckpointError(
            f"Expected a mapping as {name!r} in data. Found {found!r:.60}. Save the model again."
        )
    return found


def _check_known(policy: Mapping[str, Any], name: str, known: tuple[str, ...]) -> None:
    """Check the class of a part, of which ``data`` has the printed form beside the pickle."""
    found = policy.get(name)
    kind = str(found).rstrip("'>").rpartition(".")[2]
    if found is not None and kind not in known:
        raise CheckpointError(f"Expected {' or '.join(known)} as {name}. Found {kind:.60}. {_advice(name)}")


def _advice(name: str) -> str:
    if name == "activation_fn":
        return "Train with torch.nn.ReLU: the rate of a spiking neuron is a rectified linear function."
    return ELSEWHERE


def _is_kind(space: Mapping[str, Any], kind: str) -> bool:
    return str(space.get(":type:", "")).rstrip("'>").rpartition(".")[2] == kind


def _is_shape(shape: Any) -> bool:
    return (
        isinstance(shape, list)
        and 0 < len(shape) < 4
        and all(type(n) is int and 0 < n < 2**20 for n in shape)
    )


def _is_image(space: Mapping[str, Any], shape: list[int]) -> bool:
    """As Stable-Baselines3 decides: bytes from 0 to 255 in three dimensions. Limits are there as numpy prints them."""
    limits = (set(re.findall(r"\d+", str(space.get(name)))) for name in ("low", "high"))
    return len(shape) == 3 and space.get("dtype") == "uint8" and list(limits) == [{"0"}, {"255"}]
