"""How readers make what they return."""

from __future__ import annotations

from torch import nn

from dqn2snn.io._preset import Preset
from dqn2snn.io._q_network import Provenance, QNetwork
from dqn2snn.io.checkpoints._source import Source

__all__ = ["q_network_of"]


def q_network_of(
    source: Source,
    module: nn.Module,
    observation_shape: tuple[int, ...] | None,
    num_actions: int | None,
    *,
    rule: str,
    framework: str,
    env: str = "",
    preset: Preset | None = None,
    assumptions: tuple[str, ...] = (),
) -> QNetwork:
    """Make the Q-network of a file, called after it.

    Args:
        source: The file.
        module: Its network, ready to be used.
        observation_shape: Shape of one observation.
        num_actions: Number of Q-values.
        rule: Name of the reader.
        framework: What wrote the file.
        env: Gymnasium id of the environment, if the file tells.
        preset: How frames were preprocessed.
        assumptions: What the file does not tell.

    Returns:
        The module with what is known about it.
    """
    return QNetwork(
        module,
        name=source.path.stem,
        provenance=Provenance(str(source.path), rule, framework, source.sha256, assumptions),
        env=env,
        observation_shape=observation_shape,
        num_actions=num_actions,
        preset=preset,
    )
