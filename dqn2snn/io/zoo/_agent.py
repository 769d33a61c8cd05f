"""Reading agents: by name, or from any directory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from dqn2snn.errors import CheckpointError, MissingExtraError
from dqn2snn.io._hub import download, is_hub_id
from dqn2snn.io.zoo import _find
from dqn2snn.io.zoo._config import AgentConfig, check_config
from dqn2snn.io.zoo._find import CONFIG_FILE, WEIGHTS_FILE
from dqn2snn.io.zoo._layers import build_network

__all__ = ["Agent", "find", "load", "load_agent", "names"]

_SHIPPED = Path(__file__).with_name("agents")


@dataclass(frozen=True)
class Agent:
    """A trained deep Q-network with what is known about it.

    Attributes:
        name: Its name in the zoo.
        network: Maps observations, float32 ``[B, *observation_shape]``, or uint8 if they are Atari frames, to Q-values
            ``[B, num_actions]``; in evaluation mode, its parameters frozen.
        env_id: The gymnasium id of its environment, for `dqn2snn.make_env`.
        config: The content of its ``config.json``.
    """

    name: str
    network: nn.Sequential
    env_id: str
    config: AgentConfig


def names() -> tuple[str, ...]:
    """List the agents that come with the package; `atari_names` lists those that are too large for it.

    Returns:
        Their names, sorted.

    Example:
        >>> "minatar-freeway" in names()
        True
    """
    return tuple(sorted(path.parent.name for path in _SHIPPED.glob(f"*/{CONFIG_FILE}")))


def load(name: str) -> Agent:
    """Load an agent by its name.

    It is looked for in the package, then in ``zoo/atari`` of a checkout and in the directory ``DQN2SNN_ZOO``, see
    `atari_names`. A name of the form ``"user/name"`` is that of a repository on the Hugging Face Hub (extra ``hub``),
    which is downloaded once.

    Args:
        name: One of `names` or of `atari_names`, or the id of a repository.

    Returns:
        The agent.

    Raises:
        CheckpointError: If there is none of that name, or its files are damaged.

    Example:
        >>> load("lunarlander").config["num_actions"]
        4
        >>> load("chess")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        dqn2snn.errors.CheckpointError: Expected the name of an agent: acrobot, ... Found 'chess'. ...
    """
    if name in names():
        return load_agent(_SHIPPED / name)
    if (directory := _find.find(name)) is not None:
        return load_agent(directory)
    if is_hub_id(name):
        return load_agent(download(name, [CONFIG_FILE, WEIGHTS_FILE]))
    raise CheckpointError(
        f"Expected the name of an agent: {', '.join((*names(), *_find.atari_names()))}. Found {name!r}. Looked in the "
        f"package, {_find.looked_in()}. To read an agent from a directory use zoo.load_agent; the Atari agents are in "
        "a clone of dqn2snn's repository."
    )


def find(name: str) -> Agent:
    """Load the agent of that name, or from the directory that is called so.

    Args:
        name: What `load` takes, or a directory that `save_agent` wrote.

    Returns:
        The agent.

    Raises:
        CheckpointError: If there is none, or its files are damaged.

    Example:
        >>> find("cartpole").env_id
        'CartPole-v1'
    """
    if Path(name).is_dir() and name not in names():
        return load_agent(name)
    try:
        return load(name)
    except MissingExtraError:  # what looks like a repository of the hub may be a directory that is not there
        raise CheckpointError(
            f"Expected a directory with an agent, or the name of one. Found {name!r}. For an agent of the Hugging Face "
            'Hub, run: pip install "dqn2snn[hub]"'
        ) from None


def load_agent(directory: str | Path) -> Agent:
    """Load an agent from a directory that `save_agent` wrote. Nothing is unpickled.

    Args:
        directory: Holds ``config.json`` and ``weights.safetensors``.

    Returns:
        The agent. Its weights are those of the file, in float32.

    Raises:
        CheckpointError: If a file is missing, truncated or damaged, or the two do not belong together. The
            message names the file.

    Example:
        >>> load_agent("no/such/directory")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        dqn2snn.errors.CheckpointError: no/such/directory/config.json: cannot be read (No such file ...
    """
    directory = Path(directory)
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
    return Agent(config["name"], network.eval().requires_grad_(False), config["env_id"], config)


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
    # Without weights: sizes that a damaged file makes up are found before anything is allocated.
    with torch.device("meta"):
        network = build_network(config["layers"])
        observation = torch.empty(1, *config["observation_shape"])
    expected = (1, config["num_actions"])
    try:
        found = tuple(network(observation).shape)
    except RuntimeError as error:
        raise CheckpointError(
            f"Expected layers that take observations of shape {config['observation_shape']}. Found: {error}"
        ) from None
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
