"""Networks in half precision, as in the repository's `zoo/atari`: to keep, to go on from, and to average.

A directory holds ``checkpoint.safetensors``, the quantile network, and ``checkpoint.json``, which says what it is.
"""

from __future__ import annotations

import hashlib
import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import safetensors
import safetensors.torch
from torch import Tensor

from atari.checkpoint import check, replace
from atari.network import BODIES, QuantileNetwork
from dqn2snn.errors import CheckpointError

__all__ = ["Description", "Score", "read_export", "score_of", "write_export"]

FORMAT_VERSION = 1


class Score(TypedDict):
    """Raw scores of whole games."""

    epsilon: float
    episodes: int
    mean: float
    sd: float
    returns: list[float]


class Description(TypedDict):
    """The content of ``checkpoint.json`` beside the format version and the checksum."""

    game: str  # ale-py's name
    body: str
    quantiles: int
    actions: int
    steps: int
    score: Score | None
    training: dict[str, Any]


def score_of(returns: Sequence[float], epsilon: float) -> Score | None:
    """Sum up the scores of whole games.

    Args:
        returns: Raw scores.
        epsilon: Probability of a random action.

    Returns:
        Mean and standard deviation (n - 1); none without games.

    Example:
        >>> score_of([1.0, 3.0], epsilon=0.05)["mean"]
        2.0
    """
    if not returns:
        return None
    return {
        "epsilon": epsilon,
        "episodes": len(returns),
        "mean": statistics.fmean(returns),
        "sd": statistics.stdev(returns) if len(returns) > 1 else 0.0,
        "returns": list(returns),
    }


def write_export(directory: Path, network: QuantileNetwork, description: Description) -> None:
    """Write a network in half precision, with its quantile head.

    Args:
        directory: Where to write; what is there already is replaced.
        network: The network.
        description: What it is.

    Raises:
        CheckpointError: If a weight is not finite in half precision.
    """
    half = {name: tensor.detach().half().contiguous() for name, tensor in network.state_dict().items()}
    for name, tensor in half.items():
        if not tensor.isfinite().all():
            raise CheckpointError(f"Expected finite weights below 65,504. Found others in {name!r}.")
    data = safetensors.torch.save(half)
    described = {
        "format_version": FORMAT_VERSION,
        **description,
        "weights_sha256": hashlib.sha256(data).hexdigest(),
    }
    text = json.dumps(described, indent=1, allow_nan=False) + "\n"
    replace(directory / "checkpoint.safetensors", data)
    replace(directory / "checkpoint.json", text.encode())


def read_export(directory: Path) -> tuple[QuantileNetwork, Description]:
    """Read a network that `write_export` wrote, or one of the repository's `zoo/atari`.

    Args:
        directory: Holds ``checkpoint.json`` and ``checkpoint.safetensors``.

    Returns:
        The network in float32, and what it is.

    Raises:
        CheckpointError: If a file is missing or damaged, or the two do not belong together.
    """
    try:
        described = json.loads((directory / "checkpoint.json").read_text(encoding="utf-8"))
        data = (directory / "checkpoint.safetensors").read_bytes()
        description = _check_description(described)
        if described.get("weights_sha256", digest := hashlib.sha256(data).hexdigest()) != digest:
            raise ValueError("checkpoint.json names another checkpoint.safetensors; export it again")
        return _network(description, safetensors.torch.load(data)), description
    except (OSError, ValueError, CheckpointError, safetensors.SafetensorError) as error:
        raise CheckpointError(
            f"{directory}: Expected the checkpoint of a quantile network for Atari. Found: {error}"
        ) from None


def _check_description(found: Any) -> Description:
    if not isinstance(found, dict) or found.get("format_version") != FORMAT_VERSION:
        raise ValueError(f"no description of version {FORMAT_VERSION}")
    kinds = {
        "game": (str, 0),
        "body": (str, 0),
        "quantiles": (int, 1),
        "actions": (int, 1),
        "steps": (int, 0),
    }
    for name, (kind, least) in kinds.items():
        if type(found.get(name)) is not kind or (kind is int and found[name] < least):
            raise ValueError(f"{name} is {found.get(name)!r}")
    if found["body"] not in BODIES:
        raise ValueError(f"body {found['body']!r}, which is none of {', '.join(BODIES)}")
    training = found.get("training", {})
    if not _is_training(training):
        raise ValueError(f"training is {training!r}")
    return {
        "game": found["game"],
        "body": found["body"],
        "quantiles": found["quantiles"],
        "actions": found["actions"],
        "steps": found["steps"],
        "score": found.get("score"),
        "training": training,
    }


def _is_training(found: Any) -> bool:
    if not isinstance(found, dict):
        return False
    before, seconds = found.get("before", []), found.get("wall_seconds") or 0.0
    timed = isinstance(seconds, int | float) and 0 <= seconds < math.inf
    return timed and isinstance(before, list) and all(isinstance(each, dict) for each in before)


def _network(description: Description, tensors: dict[str, Tensor]) -> QuantileNetwork:
    head = tensors.get("q.bias")
    rows = description["actions"] * description["quantiles"]
    if head is None or head.shape != (rows,):  # before anything of a made-up size is allocated
        raise CheckpointError(f"no head of {rows} rows")
    network = QuantileNetwork(description["body"], description["actions"], description["quantiles"])
    network.load_state_dict(check(tensors, network.state_dict()))
    return network
