"""From a name to a network: files, directories, agents of the zoo, repositories of the Hugging Face Hub."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from torch import nn

from dqn2snn._utils.host import on_host
from dqn2snn.errors import ArgumentError, CheckpointError, MissingExtraError
from dqn2snn.io import zoo
from dqn2snn.io._hub import download, is_hub_id
from dqn2snn.io.checkpoints._checkpoint import Checkpoint, Provenance
from dqn2snn.io.checkpoints._preset import PRESETS, preset_of
from dqn2snn.io.checkpoints._readers import read_source
from dqn2snn.io.checkpoints._source import open_source
from dqn2snn.io.checkpoints.module import read_into
from dqn2snn.play._atari import atari_protocol

__all__ = ["load_q_network"]

_ENDINGS = (".zip", ".cleanrl_model", ".safetensors", ".pth", ".pt")
_NO_NETWORK = ("train_eval_metrics.zip",)
"""Of RL Zoo's repositories on the hub."""

_AGENT = ("config.json", "weights.safetensors")
_ENV_ID = re.compile(r"(?:^|[-_.])((?:ALE[-_])?[A-Za-z0-9]+-v\d+)(?=$|[-_.])")


@on_host()
def load_q_network(
    path_or_hub_id: str | os.PathLike[str],
    *,
    module: nn.Module | None = None,
    env_id: str | None = None,
    preset: str | None = None,
) -> Checkpoint:
    """Load a trained deep Q-network. Nothing is ever unpickled, and no framework is needed.

    Reads zips of Stable-Baselines3's DQN and of sb3-contrib's QR-DQN, CleanRL's DQN and C51, state dicts of Tianshou
    and TorchRL, plain state dicts and safetensors, agents of `dqn2snn.zoo`, and what installed packages add to the
    entry points ``dqn2snn.checkpoints``. Quantiles and dueling streams are folded into a plain network with the same
    Q-values.

    Args:
        path_or_hub_id: A file, a directory with one, the name of an agent, or the id of a repository on the Hugging
            Face Hub, ``"sb3/dqn-PongNoFrameskip-v4"`` (extra ``hub``), downloaded once and then read offline too.
        module: Takes the weights in place of a network that is inferred from their shapes. It is not changed.
        env_id: Gymnasium id of the environment to play in. It is compared with what the file says of the training.
        preset: How Atari frames were preprocessed in training, one of `PRESETS`, if the file is wrong about it.

    Returns:
        The network, its preset, and where they come from.

    Raises:
        ArgumentError: If there is no preset of that name.
        CheckpointError: If there is no such file, or it is damaged, malicious, or of an unknown format.
        EnvironmentMismatchError: If the environment differs from that of the training; the message names what does.
        MissingExtraError: If the hub is asked for, or an environment, and its extra is not installed.

    Example:
        >>> import tempfile, torch
        >>> network = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 2))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.save(network.state_dict(), f"{folder}/CartPole-v1.pt")
        ...     checkpoint = load_q_network(f"{folder}/CartPole-v1.pt")
        >>> checkpoint.provenance.rule, checkpoint.env_id
        ('plain', 'CartPole-v1')
        >>> observation = torch.rand(1, 4)
        >>> torch.equal(checkpoint.network(observation), network(observation))
        True
    """
    chosen = None if preset is None else _preset(preset)
    name = os.fspath(path_or_hub_id)
    checkpoint = _found(name, module)
    if not checkpoint.env_id:
        checkpoint = replace(checkpoint, env_id=_env_id_in(name) or _env_id_in(checkpoint.name))
    if chosen is not None:
        checkpoint = replace(checkpoint, preset=PRESETS[chosen])
    if env_id is not None:
        checkpoint.check_environment(env_id)
        checkpoint = replace(checkpoint, env_id=env_id)
    return checkpoint


def _preset(name: str) -> str:
    if name not in PRESETS:
        raise ArgumentError(f"Expected a preset: {', '.join(PRESETS)}. Found {name!r}. Choose one of them.")
    return name


def _found(name: str, module: nn.Module | None) -> Checkpoint:
    path = Path(name)
    if _is_file(path):
        return _read(path, module, name)
    if path.is_dir() and name not in zoo.names():
        return _in_directory(path, module, name)
    if is_hub_id(name):
        return _in_directory(_downloaded(name), module, name)
    if path.suffix in _ENDINGS:
        raise CheckpointError(f"Expected a checkpoint. Found no file {name!r}. Check the path.")
    return _of_agent(zoo.load(name), name)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except ValueError:  # a name with a null byte
        return False


def _read(path: Path, module: nn.Module | None, name: str) -> Checkpoint:
    try:
        source = open_source(path)
        checkpoint = read_source(source) if module is None else read_into(module, source)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    return replace(checkpoint, provenance=replace(checkpoint.provenance, source=name))


def _in_directory(directory: Path, module: nn.Module | None, name: str) -> Checkpoint:
    if (directory / _AGENT[0]).exists():
        return _of_agent(zoo.load_agent(directory), name)
    files = [
        path
        for path in sorted(directory.iterdir())
        if path.suffix in _ENDINGS and path.name not in _NO_NETWORK
    ]
    if len(files) != 1:
        found = ", ".join(path.name for path in files) or "none"
        raise CheckpointError(
            f"Expected one checkpoint ({', '.join(_ENDINGS)}), or an agent, in {name}. Found {found}. Name the file."
        )
    return _read(files[0], module, name)


def _downloaded(name: str) -> Path:
    patterns = [*_AGENT, *(f"*{ending}" for ending in _ENDINGS)]
    try:
        return download(name, patterns)
    except MissingExtraError:  # what looks like a repository of the hub may be a path that is not there
        raise CheckpointError(
            f"Expected a checkpoint, or the name of an agent. Found no file or directory {name!r}. For a repository of "
            'the Hugging Face Hub, run: pip install "dqn2snn[hub]"'
        ) from None


def _of_agent(agent: zoo.Agent, name: str) -> Checkpoint:
    protocol = atari_protocol(agent.env_id)
    return Checkpoint(
        agent.name,
        agent.network,
        tuple(agent.config["observation_shape"]),
        agent.config["num_actions"],
        agent.env_id,
        None if protocol is None else preset_of(protocol),
        Provenance(name, "zoo", f"an agent of dqn2snn, trained by {agent.config['training']['library']}"),
    )


def _env_id_in(name: str) -> str:
    """The environment that a repository or a file is called after: ``dqn-PongNoFrameskip-v4``."""
    match = _ENV_ID.search(name.rpartition("/")[2])
    return "" if match is None else re.sub(r"^ALE[-_]", "ALE/", match[1])
