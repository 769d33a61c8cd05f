"""Directories of shared networks, written and read."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import dqn2snn
from dqn2snn._utils.atari import atari_protocol
from dqn2snn._utils.hub import download, is_hub_id
from dqn2snn.errors import ArgumentError, CheckpointError
from dqn2snn.plan.file import load_plan, plan_bytes
from dqn2snn.plan.sharing._card import render_card
from dqn2snn.plan.spiking_plan import SpikingPlan

FORMAT_VERSION = 1
PLAN_FILE, CONFIG_FILE, CARD_FILE = "plan.safetensors", "config.json", "README.md"

_PACKAGES = ("torch", "snntorch", "norse")


class Compared(Protocol):
    """A comparison of the network with its DQN, as `dqn2snn.compare_policies` makes it."""

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain data that `json.dumps` takes."""


def write_directory(
    plan: SpikingPlan, directory: Path, about: Mapping[str, Any], comparison: Mapping[str, Any] | None
) -> Path:
    """Write a plan, its configuration and its model card.

    Args:
        plan: The spiking network.
        directory: Where to; the three files in it are replaced, others stay.
        about: ``backend``, ``env_id`` and ``license``.
        comparison: Both scores, and how far the networks agree, in plain data; see `compared`.

    Returns:
        Path: The directory.

    Raises:
        CheckpointError: If the files cannot be written.
        PlanError: If the plan's numbers are not on the grid that it names.
    """
    content = plan_bytes(plan)
    config = {
        "format_version": FORMAT_VERSION,
        **about,
        "preprocessing": _preprocessing(about["env_id"]),
        "comparison": comparison,
        "versions": {"dqn2snn": dqn2snn.__version__, **_versions()},
        "plan_sha256": hashlib.sha256(content).hexdigest(),
    }
    contents = {
        PLAN_FILE: content,
        CONFIG_FILE: (json.dumps(config, indent=1) + "\n").encode(),
        CARD_FILE: render_card(plan, config).encode(),
    }
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory, prefix=".part") as part:
            for name, data in contents.items():
                (Path(part) / name).write_bytes(data)
            for name in contents:  # the plan first: a config that names another one is refused
                shutil.move(Path(part) / name, directory / name)
    except OSError as error:
        raise CheckpointError(
            f"Expected a directory that can be written. Found {directory}: {error.strerror}. Choose another place."
        ) from None
    return directory


def read_directory(name: str, **hub: Any) -> tuple[SpikingPlan, dict[str, Any]]:
    """Read what `write_directory` wrote, from a directory or from the Hugging Face Hub.

    Args:
        name: A directory, or ``"user/name"``.
        **hub: Options of a download.

    Returns:
        tuple[SpikingPlan, dict[str, Any]]: The plan and its configuration.

    Raises:
        CheckpointError: If there is none, or files are damaged, of another version, or not of one network.
        MissingExtraError: If it is on the Hub and huggingface-hub is not installed.
    """
    directory = Path(name)
    if not directory.is_dir() and is_hub_id(name):
        directory = download(name, (PLAN_FILE, CONFIG_FILE), **hub)
    config = _config(directory)
    plan = load_plan(directory / PLAN_FILE)
    found = hashlib.sha256((directory / PLAN_FILE).read_bytes()).hexdigest()
    if found != config["plan_sha256"]:
        raise CheckpointError(
            f"Expected the plan that {CONFIG_FILE} in {directory} names. Found another one. Save the network again."
        )
    return plan, config


def compared(comparison: Compared) -> Mapping[str, Any]:
    """The plain data of a comparison.

    Raises:
        ArgumentError: If it is of another type.
    """
    if not callable(described := getattr(comparison, "to_dict", None)):
        raise ArgumentError(
            f"Expected a Comparison of compare_policies, or None. Found {type(comparison).__name__}. Pass what "
            "dqn2snn.compare_policies returned."
        )
    found: Mapping[str, Any] = described()
    return found


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
            "snn.save_pretrained wrote; for a trained DQN there is dqn2snn.load_q_network."
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
