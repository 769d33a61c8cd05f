"""Reading agents from their directories."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from dqn2snn._utils.atari import atari_protocol
from dqn2snn.errors import CheckpointError
from dqn2snn.io._layers import blank_network
from dqn2snn.io._preset import preset_of
from dqn2snn.io._q_network import Provenance, QNetwork
from dqn2snn.io.zoo._config import AgentConfig, check_config
from dqn2snn.io.zoo._find import CONFIG_FILE, WEIGHTS_FILE


def read_agent(directory: Path, source: str | None = None) -> QNetwork:
    """Read an agent from a directory that `save_agent` wrote. Nothing is unpickled.

    Args:
        directory: Holds ``config.json`` and ``weights.safetensors``.
        source: Name by which the user asked for it; the directory by default.

    Returns:
        The network. Its weights are those of the file, in float32; it is in evaluation mode, its parameters frozen.

    Raises:
        CheckpointError: If a file is missing, truncated or damaged, or the two do not belong together. The
            message names the file.
    """
    try:
        config = _parse_config(_read(directory / CONFIG_FILE))
        network = _blank_network(config)
    except CheckpointError as error:
        raise CheckpointError(f"{directory / CONFIG_FILE}: {error}") from None
    try:
        weights = _parse_weights(_read(directory / WEIGHTS_FILE), config["weights_sha256"])
        _check_weights(weights, network.state_dict())
    except CheckpointError as error:
        raise CheckpointError(f"{directory / WEIGHTS_FILE}: {error}") from None
    network.load_state_dict({key: tensor.float() for key, tensor in weights.items()}, assign=True)
    trained_by = config["training"].get("library", "an unknown library")
    protocol = atari_protocol(config["env_id"])
    return QNetwork(
        network.eval().requires_grad_(False),
        name=config["name"],
        provenance=Provenance(
            source or str(directory), "zoo", f"an agent of dqn2snn, trained by {trained_by}"
        ),
        env=config["env_id"],
        observation_shape=tuple(config["observation_shape"]),
        num_actions=config["num_actions"],
        preset=None if protocol is None else preset_of(protocol),
        config=config,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"cannot be read ({error.strerror}).") from None


def _parse_config(data: bytes) -> AgentConfig:
    try:
        return check_config(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"Expected JSON. Found something else ({error}).") from None


def _blank_network(config: AgentConfig) -> nn.Sequential:
    network, found = blank_network(config["layers"], config["observation_shape"])
    expected = (1, config["num_actions"])
    if found != expected:
        raise CheckpointError(
            f"Expected layers that give {config['num_actions']} Q-values, shape {expected}. Found {found}."
        )
    return network


def _parse_weights(data: bytes, sha256: str) -> dict[str, Tensor]:
    if hashlib.sha256(data).hexdigest() != sha256:
        raise CheckpointError(
            f"Expected the file whose SHA-256 is in {CONFIG_FILE}. Found another, or a damaged one, "
            f"of {len(data)} bytes. Copy or install it again."
        )
    try:
        return safetensors.torch.load(data)
    except (safetensors.SafetensorError, KeyError) as error:
        raise CheckpointError(f"Expected a safetensors file. Found something else ({error}).") from None


def _check_weights(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    if sorted(weights) != sorted(expected):
        raise CheckpointError(f"Expected the tensors {sorted(expected)}. Found {sorted(weights)}.")
    for key, tensor in weights.items():
        if tensor.shape != expected[key].shape or tensor.dtype != torch.float16:
            raise CheckpointError(
                f"Expected {key!r} as float16 of shape {tuple(expected[key].shape)}. "
                f"Found {tensor.dtype} of shape {tuple(tensor.shape)}."
            )
        if not tensor.isfinite().all():
            raise CheckpointError(f"Expected finite weights. Found NaN or infinity in {key!r}.")
