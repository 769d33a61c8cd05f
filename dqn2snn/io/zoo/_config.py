"""The content of ``config.json``, and the check that a file has it."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, TypedDict, cast, get_origin, get_type_hints, is_typeddict

from dqn2snn.errors import CheckpointError

if TYPE_CHECKING:
    from dqn2snn.play.evaluate import Evaluation


FORMAT_VERSION = 1


class Training(TypedDict):
    """How an agent was trained."""

    algorithm: str
    library: str  # name and version
    total_steps: int
    wall_seconds: float | None  # None where it was not recorded
    seed: int | None
    hyperparameters: dict[str, Any]


class Score(TypedDict):
    """How an agent scored: undiscounted returns of whole episodes."""

    episodes: int
    seed: int
    epsilon: float
    max_steps: int | None  # a limit beside the environment's own
    mean: float
    std: float
    ci95: list[float]  # of the mean
    returns: list[float]


class _Always(TypedDict):
    """The fields that every configuration has."""

    format_version: int
    name: str
    env_id: str
    layers: list[list[str | int]]
    observation_shape: list[int]
    num_actions: int
    training: Training
    evaluation: Score
    limitations: str
    license: str
    weights_sha256: str


class AgentConfig(_Always, total=False):
    """The content of ``config.json``; the fields that are named here can be missing."""

    also_evaluated: list[Score]  # under other conditions
    action_names: list[str]
    learning_curve: str  # name of the file beside


def score_of(evaluation: Evaluation) -> Score:
    """Turn the result of `evaluate_policy` into what ``config.json`` keeps of it.

    Args:
        evaluation: How the network that is to be saved played.

    Returns:
        The score in plain data, with the standard deviation of the returns (n - 1).

    Example:
        >>> import torch
        >>> from dqn2snn.play.evaluate import evaluate_policy
        >>> network = torch.nn.Linear(4, 2)
        >>> score_of(evaluate_policy(network, "CartPole-v1", episodes=3))["episodes"]
        3
    """
    interval = evaluation.interval
    return {
        "episodes": len(evaluation.returns),
        "seed": evaluation.seed,
        "epsilon": evaluation.epsilon,
        "max_steps": evaluation.max_episode_steps,
        "mean": interval.mean,
        "std": statistics.stdev(evaluation.returns),
        "ci95": [interval.low, interval.high],
        "returns": list(evaluation.returns),
    }


def check_config(config: object) -> AgentConfig:
    """Check that parsed JSON is the configuration of an agent.

    Args:
        config: Parsed JSON.

    Returns:
        The object itself.

    Raises:
        CheckpointError: If it is of another version, or a field is missing or of another kind.

    Example:
        >>> check_config({"format_version": 2})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        dqn2snn.errors.CheckpointError: Expected format_version 1. Found 2. ...
    """
    if not isinstance(config, dict):
        raise CheckpointError(f"Expected a JSON object. Found {type(config).__name__}.")
    if config.get("format_version") != FORMAT_VERSION:
        raise CheckpointError(
            f"Expected format_version {FORMAT_VERSION}. Found {config.get('format_version')!r}. "
            "Use the dqn2snn that wrote it, or train the agent again."
        )
    for field, hint in get_type_hints(AgentConfig).items():
        kind = dict if is_typeddict(hint) else get_origin(hint) or hint
        needed = field in AgentConfig.__required_keys__ or field in config
        if needed and type(config.get(field)) is not kind:
            raise CheckpointError(
                f"Expected {field!r} to be of type {kind.__name__}. Found {config.get(field)!r}."
            )
    shape = config["observation_shape"]
    if not shape or not all(type(size) is int and size > 0 for size in shape):
        raise CheckpointError(f"Expected 'observation_shape' to hold positive integers. Found {shape!r}.")
    return cast(AgentConfig, config)
