"""The Q-network of a file: what readers return."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from dqn2snn.errors import CheckpointError
from dqn2snn.io._layers import blank_network
from dqn2snn.io._preset import Preset
from dqn2snn.io._q_network import Provenance, QNetwork
from dqn2snn.io.checkpoints._source import Source
from dqn2snn.io.checkpoints._weights import ELSEWHERE, Weights


def q_network_of(
    source: Source,
    layers: Sequence[Weights],
    strides: Sequence[int],
    observation_shape: Sequence[int],
    *,
    rule: str,
    framework: str,
    divide: bool = False,
    readout: nn.Module | None = None,
    env: str = "",
    preset: Preset | None = None,
    assumptions: tuple[str, ...] = (),
) -> QNetwork:
    """Put affine layers in a row, with ReLUs between them: the Q-network of a file, called after it.

    Args:
        source: The file.
        layers: Convolutions, then linear layers; see `weights_of`.
        strides: One a convolution; see `geometry_of`.
        observation_shape: Shape of one observation.
        rule: Name of the reader.
        framework: Program that wrote the file.
        divide: Whether observations are frames of bytes, which the network divides by 255 first.
        readout: Maps the outputs of the last layer to Q-values, if they are none.
        env: Gymnasium id of the environment, if the file tells.
        preset: How Atari frames were preprocessed.
        assumptions: Clauses on what the file does not tell.

    Returns:
        The network, float32 and frozen, with what is known about it.

    Raises:
        CheckpointError: If the layers do not fit behind each other, or do not take the observations.
    """
    if not all(
        bool(torch.isfinite(values).all()) for layer in layers for values in (layer.weight, layer.bias)
    ):
        raise CheckpointError("Expected finite weights. Found NaN or infinity. Use an earlier checkpoint.")
    module = _filled(layers, strides, observation_shape, divide)
    num_actions = len(layers[-1].weight)
    if readout is not None:
        module = nn.Sequential(*module, readout).eval()
        num_actions = module(torch.zeros(1, *observation_shape)).shape[1]
    return QNetwork(
        module,
        name=source.path.stem,
        provenance=Provenance(str(source.path), rule, framework, source.sha256, assumptions),
        env=env,
        observation_shape=tuple(observation_shape),
        num_actions=num_actions,
        preset=preset,
    )


def _filled(
    layers: Sequence[Weights], strides: Sequence[int], observation_shape: Sequence[int], divide: bool
) -> nn.Sequential:
    for index, layer in enumerate(layers):
        square = layer.weight.ndim == 2 or layer.weight.shape[2] == layer.weight.shape[3]
        if not square or 0 in layer.weight.shape or layer.bias.shape != layer.weight.shape[:1]:
            raise CheckpointError(
                f"Expected layers with square kernels and one bias an output. Found {tuple(layer.weight.shape)} with "
                f"biases {tuple(layer.bias.shape)} as layer {index}. {ELSEWHERE}"
            )
    try:
        network, found = blank_network(
            _described(layers, strides, observation_shape, divide), observation_shape
        )
    except CheckpointError as error:
        raise CheckpointError(f"{error} {ELSEWHERE}") from None
    if len(found) != 2 or layers[-1].weight.ndim != 2:
        raise CheckpointError(f"Expected a linear layer of Q-values at the end. Found {found}. {ELSEWHERE}")
    # Copies, so that the network does not keep the file's content alive through a slice of it.
    values = [
        value.to(torch.float32).clone(memory_format=torch.contiguous_format) for x in layers for value in x
    ]
    network.load_state_dict(dict(zip(network.state_dict(), values, strict=True)), assign=True)
    return network.eval().requires_grad_(False)


def _described(
    layers: Sequence[Weights], strides: Sequence[int], observation_shape: Sequence[int], divide: bool
) -> list[list[str | int]]:
    described: list[list[str | int]] = [["divide", 255]] if divide else []
    convolutions = [layer for layer in layers if layer.weight.ndim == 4]
    for layer, stride in zip(convolutions, strides, strict=True):
        channels_out, channels_in, kernel, _ = layer.weight.shape
        described += [["conv2d", channels_in, channels_out, kernel, stride], ["relu"]]
    if len(observation_shape) > 1:
        described.append(["flatten"])
    for layer in layers[len(convolutions) :]:
        if layer.weight.ndim != 2:
            raise CheckpointError("Expected convolutions before linear layers. Found one behind.")
        described += [["linear", layer.weight.shape[1], layer.weight.shape[0]], ["relu"]]
    return described[:-1]
