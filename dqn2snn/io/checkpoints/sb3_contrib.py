"""Zips of sb3-contrib's QR-DQN, whose quantiles are folded into their means; sb3-contrib is not needed."""

from __future__ import annotations

from dqn2snn.io._q_network import QNetwork
from dqn2snn.io.checkpoints import sb3
from dqn2snn.io.checkpoints._heads import mean_of_quantiles
from dqn2snn.io.checkpoints._source import Source


def read(source: Source) -> QNetwork | None:
    """Read ``QRDQN(...).save(path)``.

    Args:
        source: The file.

    Returns:
        The network of the means, which is what QR-DQN acts by; None if it is another file.

    Raises:
        CheckpointError: If its policy has parts that cannot be known.
    """
    if source.container != "sb3" or not (tensors := source.under("quantile_net.")):
        return None
    spaces = sb3.spaces_of(source)
    *layers, head = sb3.layers_of(tensors, "quantile_net.")
    layers.append(mean_of_quantiles(head, spaces.num_actions))
    framework = "sb3-contrib QR-DQN, Stable-Baselines3"
    return sb3.q_network_of_spaces(source, layers, spaces, rule="sb3_contrib", framework=framework)
