"""Writing agents: all of a directory or nothing of it."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
import torch
from torch import Tensor, nn

from dqn2snn.errors import ArgumentError
from dqn2snn.io._layers import layers_of
from dqn2snn.io._q_network import QNetwork
from dqn2snn.io.zoo._card import render_card
from dqn2snn.io.zoo._config import FORMAT_VERSION, AgentConfig, Score, Training
from dqn2snn.io.zoo._find import CONFIG_FILE, WEIGHTS_FILE
from dqn2snn.io.zoo._read import read_agent

Network = TypeVar("Network", bound=nn.Module)

CARD_FILE = "README.md"
CURVE_FILE = "curve.jsonl"


def round_to_half(dqn: Network) -> Network:
    """Round the weights of a network to half precision, as they are kept on disk.

    Score the rounded network, not the one before it: on CartPole a difference of Q-values can be
    smaller than what rounding changes.

    Args:
        dqn: Any network with float parameters; it is not changed.

    Returns:
        A copy in float32 whose weights all have a half-precision value, in evaluation mode.

    Example:
        >>> network = nn.Sequential(nn.Linear(4, 2))
        >>> weight = round_to_half(network)[0].weight
        >>> weight.dtype, torch.equal(weight, network[0].weight.half().float())
        (torch.float32, True)
    """
    return copy.deepcopy(dqn).half().float().eval()


def save_agent(
    directory: str | Path,
    dqn: nn.Module,
    *,
    training: Training,
    evaluation: Score,
    name: str | None = None,
    env: str | None = None,
    observation_shape: Sequence[int] | None = None,
    limitations: str = "",
    also_evaluated: Sequence[Score] = (),
    action_names: Sequence[str] = (),
    curve: Sequence[Mapping[str, Any]] = (),
) -> QNetwork:
    """Write an agent: weights, configuration and model card.

    The files are written to a directory beside, read back, and only then moved into place, so that no
    reader and no interruption ever sees half an agent. What cannot be kept is refused with an
    `ArgumentError`: weights that are not rounded or not finite, a layer of another kind than those of
    `build_network`, a directory that holds something else than an agent. What does not read back, for example
    a network that does not take observations of the given shape, is refused with a `CheckpointError`.

    Args:
        directory: Where to write. An agent that is there already is replaced.
        dqn: The network that was scored, rounded by `round_to_half`: an ``nn.Sequential``, or a `QNetwork` of one.
        training: How it was trained.
        evaluation: How it scored, see `score_of`.
        name: Name of the agent. A `QNetwork` has this and the next two; they may be given to replace its own.
        env: Gymnasium id of its environment.
        observation_shape: Shape of one observation.
        limitations: Restrictions that a user should know, in whole sentences, for the card.
        also_evaluated: How it scored under other conditions, for example with epsilon 0.05.
        action_names: One an action.
        curve: Points of the learning curve, plain data, written as ``curve.jsonl``.

    Returns:
        The agent as read back.

    Example:
        >>> from dqn2snn import load_q_network
        >>> dqn = load_q_network("cartpole")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     again = save_agent(
        ...         Path(folder) / "mine", dqn, name="mine", training=dqn.config["training"],
        ...         evaluation=dqn.config["evaluation"])
        >>> torch.equal(again(torch.ones(1, 4)), dqn(torch.ones(1, 4)))
        True
    """
    if isinstance(dqn, QNetwork):
        name, env = name or dqn.name, env or dqn.env_id
        observation_shape = observation_shape or dqn.observation_shape
    if not (name and env and observation_shape):
        raise ArgumentError(
            f"Expected a name, an environment and the shape of an observation. Found name={name!r}, env={env!r}, "
            f"observation_shape={observation_shape!r}. Pass what is missing, or a QNetwork that has it."
        )
    network = dqn.module if isinstance(dqn, QNetwork) else dqn
    weights = {key: _half(key, tensor) for key, tensor in network.state_dict().items()}
    data = safetensors.torch.save(weights)
    layers = layers_of(network)
    config: AgentConfig = {
        "format_version": FORMAT_VERSION,
        "name": name,
        "env_id": env,
        "layers": layers,
        "observation_shape": list(observation_shape),
        "num_actions": next((int(layer[2]) for layer in reversed(layers) if layer[0] == "linear"), 0),
        "training": training,
        "evaluation": evaluation,
        "limitations": limitations,
        "license": "MIT",
        "weights_sha256": hashlib.sha256(data).hexdigest(),
    }
    if also_evaluated:
        config["also_evaluated"] = list(also_evaluated)
    if action_names:
        config["action_names"] = list(action_names)
    if curve:
        config["learning_curve"] = CURVE_FILE
    with _replacing(Path(directory)) as staging:
        (staging / WEIGHTS_FILE).write_bytes(data)
        (staging / CONFIG_FILE).write_text(_to_json(config), encoding="utf-8")
        (staging / CARD_FILE).write_text(render_card(config), encoding="utf-8")
        if curve:
            (staging / CURVE_FILE).write_text("".join(f"{json.dumps(point)}\n" for point in curve))
        return read_agent(staging)


def _half(key: str, tensor: Tensor) -> Tensor:
    half = tensor.detach().cpu().half()
    if not half.isfinite().all():
        raise ArgumentError(f"Expected finite weights below 65,504. Found others in {key!r}.")
    if not torch.equal(half.to(tensor.dtype), tensor.detach().cpu()):
        raise ArgumentError(
            f"Expected weights with half-precision values. Found others in {key!r}. "
            "Pass the network through zoo.round_to_half, and score the result."
        )
    return half.contiguous()


def _to_json(config: AgentConfig) -> str:
    try:
        return json.dumps(config, indent=1, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"Expected training and evaluation as plain, finite data. Found others ({error})."
        ) from None


@contextmanager
def _replacing(directory: Path) -> Iterator[Path]:
    # Gives an empty directory, which takes the place of `directory` when the block ends well.
    if directory.exists() and not (directory / CONFIG_FILE).exists() and any(directory.iterdir()):
        raise ArgumentError(
            f"Expected a new directory, or one with an agent in it. Found other files in {directory}. "
            "Choose another directory."
        )
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f".{directory.name}-") as scratch:
        staging = Path(scratch) / "new"
        staging.mkdir()
        yield staging
        if directory.exists():
            shutil.move(directory, Path(scratch) / "old")
        staging.rename(directory)
