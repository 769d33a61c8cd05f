"""Directories of shared networks, written and read."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dqn2snn
from dqn2snn.errors import ArgumentError, CheckpointError
from dqn2snn.io._hub import download, is_hub_id
from dqn2snn.io.sharing._card import render_card
from dqn2snn.network import SpikingQNetwork
from dqn2snn.neurons.backends import backend_names
from dqn2snn.plan.file import load_plan, plan_bytes
from dqn2snn.play.envs import atari_protocol
from dqn2snn.play.evaluate import Comparison

__all__ = ["Pretrained", "from_pretrained", "save_pretrained"]

FORMAT_VERSION = 1
PLAN_FILE, CONFIG_FILE, CARD_FILE = "plan.safetensors", "config.json", "README.md"

_PACKAGES = ("torch", "snntorch", "norse")


@dataclass(frozen=True)
class Pretrained:
    """A shared network with what is known about it.

    Attributes:
        snn: The network.
        env_id: Where it plays, for `dqn2snn.make_env`; None if that was not said.
        config: The content of its ``config.json``.
    """

    snn: SpikingQNetwork
    env_id: str | None
    config: Mapping[str, Any]


def save_pretrained(
    snn: SpikingQNetwork,
    directory: str | os.PathLike[str],
    *,
    env_id: str | None = None,
    comparison: Comparison | None = None,
    license: str | None = None,  # noqa: A002
) -> Path:
    """Write a network with its model card.

    Args:
        snn: The network.
        directory: Where to; the three files in it are replaced, others stay.
        env_id: Where it plays.
        comparison: From `dqn2snn.compare_policies`: both scores and how far the networks agree.
        license: Of the weights, as the Hub abbreviates it, ``"mit"``.

    Returns:
        Path: The directory.

    Raises:
        ArgumentError: If an argument is of another type.
        CheckpointError: If the files cannot be written.
        PlanError: If the plan's numbers are not on the grid that it names.

    Example:
        >>> dqn = dqn2snn.load_q_network("cartpole")
        >>> seen = dqn2snn.collect_observations(dqn.env_id, dqn, 300, progress=False)
        >>> snn = dqn2snn.convert(dqn, seen, num_steps=8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     saved = save_pretrained(snn, folder, env_id=dqn.env_id)
        ...     from_pretrained(saved).snn.plan.num_steps
        8
    """
    if not isinstance(snn, SpikingQNetwork) or not isinstance(comparison, Comparison | None):
        raise ArgumentError(
            "Expected a SpikingQNetwork, and a Comparison of compare_policies or None. Found "
            f"{type(snn).__name__} and {type(comparison).__name__}. Of a plan, pass dqn2snn.SpikingQNetwork(plan)."
        )
    target, plan = Path(directory), plan_bytes(snn.plan)
    config = {
        "format_version": FORMAT_VERSION,
        "backend": snn.backend,
        "env_id": env_id,
        "preprocessing": _preprocessing(env_id),
        "license": license,
        "comparison": None if comparison is None else comparison.to_dict(),
        "versions": {"dqn2snn": dqn2snn.__version__, **_versions()},
        "plan_sha256": hashlib.sha256(plan).hexdigest(),
    }
    contents = {
        PLAN_FILE: plan,
        CONFIG_FILE: (json.dumps(config, indent=1) + "\n").encode(),
        CARD_FILE: render_card(snn.plan, config).encode(),
    }
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target, prefix=".part") as part:
            for name, content in contents.items():
                (Path(part) / name).write_bytes(content)
            for name in contents:  # the plan first: a config that names another one is refused
                shutil.move(Path(part) / name, target / name)
    except OSError as error:
        raise CheckpointError(
            f"Expected a directory that can be written. Found {target}: {error.strerror}. Choose another place."
        ) from None
    return target


def from_pretrained(
    name: str | os.PathLike[str], *, backend: str | None = None, revision: str | None = None
) -> Pretrained:
    """Read a network from a directory or from the Hugging Face Hub.

    Args:
        name: A directory that `save_pretrained` wrote, or ``"user/name"`` on the Hub (extra ``hub``), which is
            downloaded once and then read from the Hub's cache, offline too.
        backend: Whose neurons to build; by default those of the network that was saved.
        revision: Branch, tag or commit on the Hub.

    Returns:
        Pretrained: The network, the same bit by bit, and what is known about it.

    Raises:
        CheckpointError: If there is none, or files are damaged, of another version, or not of one network.
        MissingExtraError: If it is on the Hub and huggingface-hub is not installed.
    """
    directory = Path(name)
    if not directory.is_dir() and is_hub_id(str(name)):
        directory = download(str(name), (PLAN_FILE, CONFIG_FILE), revision)
    config = _config(directory)
    plan = load_plan(directory / PLAN_FILE)
    found = hashlib.sha256((directory / PLAN_FILE).read_bytes()).hexdigest()
    if found != config["plan_sha256"]:
        raise CheckpointError(
            f"Expected the plan that {CONFIG_FILE} in {directory} names. Found another one. Save the network again."
        )
    if backend is None and config["backend"] not in backend_names():
        raise CheckpointError(
            f"Expected neurons of {', '.join(backend_names())}. Found that {directory} asks for {config['backend']!r}. "
            'Install its package, or pass backend="snntorch".'
        )
    return Pretrained(SpikingQNetwork(plan, backend or config["backend"]), config["env_id"], config)


def _config(directory: Path) -> dict[str, Any]:
    path = directory / CONFIG_FILE
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        version = config["format_version"]
        if version != FORMAT_VERSION:
            raise ValueError(f"format_version {version!r} instead of {FORMAT_VERSION}")
        if not isinstance(config["backend"], str) or not isinstance(config["env_id"], str | None):
            raise ValueError(f"backend {config['backend']!r} in {config['env_id']!r}")
        if not isinstance(config["plan_sha256"], str):
            raise ValueError("no checksum")
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"Expected the directory of a shared network with a {CONFIG_FILE}. Found {directory}: {error}. Use what "
            "dqn2snn.save_pretrained wrote; for a trained DQN there is dqn2snn.load_q_network."
        ) from None
    found: dict[str, Any] = config
    return found


def _preprocessing(env_id: str | None) -> str | None:
    protocol = None if env_id is None else atari_protocol(env_id)
    return None if protocol is None else protocol.describe()


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
