"""From a source to a network: files, directories, agents, repositories of the Hugging Face Hub, live modules."""

from __future__ import annotations

import copy
import difflib
import os
import re
from dataclasses import replace
from pathlib import Path

from torch import nn

from dqn2snn._utils.host import on_host
from dqn2snn._utils.hub import download, is_hub_id
from dqn2snn.errors import ArgumentError, CheckpointError, MissingExtraError
from dqn2snn.io._preset import PRESETS
from dqn2snn.io._q_network import Provenance, QNetwork
from dqn2snn.io.checkpoints._into import read_into
from dqn2snn.io.checkpoints._readers import read_source
from dqn2snn.io.checkpoints._source import open_source
from dqn2snn.io.zoo._find import CONFIG_FILE, WEIGHTS_FILE, atari_names, find, looked_in, names
from dqn2snn.io.zoo._read import read_agent

_ENDINGS = (".zip", ".cleanrl_model", ".safetensors", ".pth", ".pt")
_NO_NETWORK = ("train_eval_metrics.zip",)
"""Files in the repositories of RL Zoo that hold no network."""

_ENV_ID = re.compile(r"(?:^|[-_.])((?:ALE[-_])?[A-Za-z0-9]+-v\d+)(?=$|[-_.])")


@on_host()
def load_q_network(
    source: str | os.PathLike[str] | nn.Module,
    *,
    module: nn.Module | None = None,
    env: str | None = None,
    preset: str | None = None,
) -> QNetwork:
    """Load a trained deep Q-network. Nothing is ever unpickled, and no framework is needed.

    Reads zips of Stable-Baselines3's DQN and of sb3-contrib's QR-DQN, CleanRL's DQN and C51, state dicts of Tianshou
    and TorchRL, plain state dicts and safetensors, agents of `dqn2snn.zoo`, and what installed packages add to the
    entry points ``dqn2snn.checkpoints``. Quantiles and dueling streams are folded into a plain network with the same
    Q-values. What is read is in float32 and in evaluation mode, its parameters frozen.

    Args:
        source: A file; a directory with one, or with an agent; the name of an agent, out of `zoo.names` or
            `zoo.atari_names`; the id of a repository on the Hugging Face Hub, ``"sb3/dqn-PongNoFrameskip-v4"`` (extra
            ``hub``), downloaded once and then read offline too; or a live module, which is neither copied nor frozen,
            and stays in its mode.
        module: Takes the weights in place of a network that is inferred from their shapes. It is not changed.
        env: Gymnasium id of the environment to play in. It is compared with what the file says of the training.
        preset: How Atari frames were preprocessed in training, one of `PRESETS`, if the file is wrong about it.

    Returns:
        The network, with its environment, its preset, and where it comes from.

    Raises:
        ArgumentError: If there is no preset of that name, or the source is of another type.
        CheckpointError: If there is no such file, or it is damaged, malicious, or of an unknown format.
        EnvironmentMismatchError: If the environment differs from that of the training; the message names what does.
        MissingExtraError: If an environment is asked for, and its extra is not installed.

    Example:
        >>> import tempfile, torch
        >>> network = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 2))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.save(network.state_dict(), f"{folder}/CartPole-v1.pt")
        ...     dqn = load_q_network(f"{folder}/CartPole-v1.pt")
        >>> dqn.provenance.rule, dqn.env_id
        ('plain', 'CartPole-v1')
        >>> observation = torch.rand(1, 4)
        >>> torch.equal(dqn(observation), network(observation))
        True
        >>> load_q_network(network, env="CartPole-v1").env_id
        'CartPole-v1'
    """
    chosen = None if preset is None else _preset(preset)
    if isinstance(source, nn.Module):
        dqn = _live(source)
    else:
        dqn = _found(_name(source), module)
        dqn.env_id = dqn.env_id or _env_id_in(os.fspath(source)) or _env_id_in(dqn.name)
    if chosen is not None:
        dqn.preset = PRESETS[chosen]
    if env is not None:
        dqn.check_environment(env)
        dqn.env_id = env
    return dqn


def _preset(name: str) -> str:
    if name not in PRESETS:
        raise ArgumentError(f"Expected a preset: {', '.join(PRESETS)}. Found {name!r}. Choose one of them.")
    return name


def _live(module: nn.Module) -> QNetwork:
    if isinstance(module, QNetwork):
        return copy.copy(module)  # the same layers; another environment is not the caller's
    kind = type(module).__name__
    return QNetwork(module, name=kind, provenance=Provenance(kind, "module", "a live module"))


def _name(source: str | os.PathLike[str]) -> str:
    try:
        return os.fspath(source)
    except TypeError:
        raise ArgumentError(
            f"Expected a file, a directory, a name or a torch.nn.Module. Found {type(source).__name__}. Pass the "
            "network in it, such as model.q_net of a Stable-Baselines3 model."
        ) from None


def _found(name: str, module: nn.Module | None) -> QNetwork:
    path = Path(name)
    if _is_file(path):
        return _read(path, module, name)
    if path.is_dir() and name not in names():
        return _in_directory(path, module, name)
    if (agent := find(name)) is not None:
        return read_agent(agent, name)
    if is_hub_id(name):
        return _in_directory(_downloaded(name), module, name)
    if path.suffix in _ENDINGS:
        raise CheckpointError(f"Expected a checkpoint. Found no file {name!r}. Check the path.")
    agents = (*names(), *atari_names())
    (near,) = difflib.get_close_matches(name, agents, n=1, cutoff=0.0)
    raise CheckpointError(
        f"Expected a file, a directory, or the name of an agent: {', '.join(agents)}. Found {name!r}. Did you mean "
        f"{near!r}? Looked in the package, {looked_in()}; the Atari agents are in a clone of dqn2snn's repository."
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except ValueError:  # a name with a null byte
        return False


def _read(path: Path, module: nn.Module | None, name: str) -> QNetwork:
    try:
        source = open_source(path)
        dqn = read_source(source) if module is None else read_into(module, source)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    dqn.provenance = replace(dqn.provenance, source=name)
    return dqn


def _in_directory(directory: Path, module: nn.Module | None, name: str) -> QNetwork:
    if (directory / CONFIG_FILE).exists():
        return read_agent(directory, name)
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
    try:
        return download(name, [CONFIG_FILE, WEIGHTS_FILE, *(f"*{ending}" for ending in _ENDINGS)])
    except MissingExtraError:  # what looks like a repository of the hub may be a path that is not there
        raise CheckpointError(
            f"Expected a checkpoint, or the name of an agent. Found no file or directory {name!r}. For a repository of "
            'the Hugging Face Hub, run: pip install "dqn2snn[hub]"'
        ) from None


def _env_id_in(name: str) -> str:
    """The environment that a repository or a file is called after: ``dqn-PongNoFrameskip-v4``."""
    match = _ENV_ID.search(name.rpartition("/")[2])
    return "" if match is None else re.sub(r"^ALE[-_]", "ALE/", match[1])
