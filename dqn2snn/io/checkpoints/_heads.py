"""Heads of Q-networks that are affine in what is before them, folded into plain layers, exactly."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from dqn2snn.errors import CheckpointError
from dqn2snn.io.checkpoints._weights import ELSEWHERE, Weights

_MOST_WEIGHTS = 2**26
"""Size of a layer that two streams are put into: 16 times that of the dueling Nature network."""


def mean_of_quantiles(head: Weights, num_actions: int) -> Weights:
    """Fold a layer of quantiles into their means: Dabney et al. (2018), arXiv:1710.10044.

    Args:
        head: Its outputs are ``[num_quantiles, num_actions]``, flattened.
        num_actions: Number of actions.

    Returns:
        The layer of Q-values, of which each is the mean of the quantiles of its action.

    Raises:
        CheckpointError: If the outputs are no multiple of the actions.

    Example:
        >>> mean_of_quantiles(Weights(torch.tensor([[1.0], [3.0]]), torch.tensor([0.0, 4.0])), 1)
        Weights(weight=tensor([[2.]]), bias=tensor([2.]))
    """
    outputs, features = head.weight.shape
    if num_actions < 1 or outputs % num_actions:
        raise CheckpointError(
            f"Expected quantiles of {num_actions} actions. Found {outputs} outputs. Save the model again."
        )
    weight = head.weight.double().reshape(-1, num_actions, features).mean(0)
    bias = head.bias.double().reshape(-1, num_actions).mean(0)
    return Weights(weight.to(head.weight.dtype), bias.to(head.bias.dtype))


def dueling(value: Sequence[Weights], advantage: Sequence[Weights]) -> list[Weights]:
    """Put two streams side by side, and their sum behind: Q = V + A - mean(A), Wang et al. (2016).

    Args:
        value: The layers of the value stream, the last with one output.
        advantage: As many of the advantage stream.

    Returns:
        As many plain layers, whose hidden ones have the neurons of both streams.

    Raises:
        CheckpointError: If the streams are not of the same depth, or value has more than one output.

    Example:
        >>> value = Weights(torch.ones(1, 1), torch.zeros(1))
        >>> advantage = Weights(torch.ones(2, 1), torch.tensor([1.0, 3.0]))
        >>> dueling([value], [advantage])[0].bias
        tensor([-1.,  1.])
    """
    if (
        len(value) != len(advantage)
        or not value
        or any(len(x.weight.shape) != 2 for x in (*value, *advantage))
    ):
        raise CheckpointError(
            f"Expected dueling streams of linear layers, equally deep. Found {len(value)} and {len(advantage)} layers. "
            + ELSEWHERE
        )
    if len(value[-1].weight) != 1:
        raise CheckpointError(
            f"Expected one value of a state. Found {len(value[-1].weight)}, as of a distribution. {ELSEWHERE}"
        )
    _check_sizes(value, advantage)
    layers = [
        _beside(v, a, shared=index == 0) for index, (v, a) in enumerate(zip(value, advantage, strict=True))
    ]
    actions = len(advantage[-1].weight)
    centre = torch.eye(actions, dtype=layers[-1].weight.dtype) - 1 / actions
    combine = torch.cat([torch.ones(actions, 1, dtype=centre.dtype), centre], dim=1)
    layers[-1] = Weights(combine @ layers[-1].weight, combine @ layers[-1].bias)
    return layers


def _check_sizes(value: Sequence[Weights], advantage: Sequence[Weights]) -> None:
    """Refuse layers that are too large before they are put together: small files can ask for such."""
    for v, a in zip(value, advantage, strict=True):
        outputs, inputs = len(v.weight) + len(a.weight), v.weight.shape[1] + a.weight.shape[1]
        if outputs * max(outputs, inputs) > _MOST_WEIGHTS:
            raise CheckpointError(
                f"Expected dueling streams of at most {_MOST_WEIGHTS:,} weights a layer. Found {outputs} outputs of "
                f"{inputs} inputs. {ELSEWHERE}"
            )


def _beside(value: Weights, advantage: Weights, *, shared: bool) -> Weights:
    """One layer that does what two do: to the same input, or each to its own part of it."""
    bias = torch.cat([value.bias, advantage.bias])
    if shared:
        if value.weight.shape[1] != advantage.weight.shape[1]:
            raise CheckpointError(
                f"Expected dueling streams behind the same features. Found {value.weight.shape[1]} and "
                f"{advantage.weight.shape[1]}. {ELSEWHERE}"
            )
        return Weights(torch.cat([value.weight, advantage.weight]), bias)
    return Weights(torch.block_diag(value.weight, advantage.weight), bias)
