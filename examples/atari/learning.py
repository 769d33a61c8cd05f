"""The quantile Huber loss, and one step of gradient descent on it."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from atari.checkpoint import check, within
from atari.network import QuantileNetwork, as_input
from atari.replay import Batch
from atari.settings import Settings
from dqn2snn.errors import ArgumentError

__all__ = ["Learner", "double_targets", "quantile_huber_loss"]


def quantile_huber_loss(quantiles: Tensor, targets: Tensor) -> Tensor:
    """Compute the loss of quantile regression that is smooth near 0.

    Dabney et al. (2018, arXiv 1710.10044), equation 10 with kappa = 1: for quantiles theta_i at the levels
    tau_i = (i - 1/2) / N and targets y_j,

        L = sum_i 1/M sum_j |tau_i - 1{y_j < theta_i}| huber(y_j - theta_i),

    where huber(u) is u^2 / 2 up to |u| = 1 and |u| - 1/2 beyond.

    Args:
        quantiles: theta, ``[B, N]``.
        targets: y, ``[B, M]``; no gradient goes into them.

    Returns:
        L of each row, ``[B]``.

    Example:
        >>> quantile_huber_loss(torch.zeros(1, 1), torch.full((1, 1), 3.0))  # 1/2 (3 - 1/2)
        tensor([1.2500])
    """
    count, wanted = quantiles.shape[1], targets.shape[1]
    theta = quantiles[:, :, None].expand(-1, -1, wanted)
    y = targets.detach()[:, None, :].expand(-1, count, -1)
    levels = (torch.arange(count, device=quantiles.device) + 0.5) / count
    weights = (levels[:, None] - (y < theta).to(theta.dtype)).abs()
    losses: Tensor = weights * F.smooth_l1_loss(theta, y, reduction="none")
    return losses.mean(2).sum(1)


@torch.no_grad()
def double_targets(network: QuantileNetwork, target: QuantileNetwork, batch: Batch) -> Tensor:
    """Compute what the quantiles should be: the action is the network's choice, its value the target's.

    Van Hasselt et al. (2016, arXiv 1509.06461), for quantiles: y_j = G + gamma^n theta'_j(s', argmax_a Q(s', a)),
    where G is the return over n steps.

    Args:
        network: The network that learns.
        target: The one that follows it at a distance.
        batch: B transitions.

    Returns:
        ``[B, N]``.
    """
    following = as_input(batch.next_observations)
    actions = network(following).mean(2).argmax(1)
    values = _of_actions(target(following), actions)
    return batch.returns[:, None] + batch.discounts[:, None] * values


def _of_actions(quantiles: Tensor, actions: Tensor) -> Tensor:
    return quantiles[torch.arange(len(actions)), actions]


@dataclass
class Learner:
    """A network that learns, the target that follows it, and the optimiser.

    Attributes:
        network: The one that acts.
        target: What the network was some hundred updates ago.
        optimizer: Adam.
        settings: How to learn.
        updates: So far.
    """

    network: QuantileNetwork
    target: QuantileNetwork
    optimizer: torch.optim.Adam
    settings: Settings
    updates: int = 0

    @classmethod
    def start(cls, network: QuantileNetwork, settings: Settings) -> Learner:
        """Begin to train a network."""
        optimizer = torch.optim.Adam(
            network.parameters(), lr=settings.learning_rate, eps=settings.adam_epsilon, fused=True
        )
        return cls(network, copy.deepcopy(network).requires_grad_(False), optimizer, settings)

    def update(self, batch: Batch) -> Tensor:
        """Take one step of gradient descent.

        Args:
            batch: B transitions.

        Returns:
            The loss of each transition before the step, ``[B]``.

        Raises:
            ArgumentError: If a loss is not finite; the network has not changed then.
        """
        targets = double_targets(self.network, self.target, batch)
        quantiles = _of_actions(self.network(as_input(batch.observations)), batch.actions)
        losses = quantile_huber_loss(quantiles, targets)
        loss = (batch.weights * losses).mean()
        if not math.isfinite(loss.item()):
            raise ArgumentError(
                f"Expected a finite loss. Found {loss.item()} at update {self.updates}. "
                "Go on from the last checkpoint with a lower learning rate."
            )
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.max_grad_norm)
        self.optimizer.step()
        self.updates += 1
        if self.updates % self.settings.target_every == 0:
            self.target.load_state_dict(self.network.state_dict())
        return losses.detach()

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors of the state, for a checkpoint."""
        found = {f"network.{key}": tensor for key, tensor in self.network.state_dict().items()}
        found |= {f"target.{key}": tensor for key, tensor in self.target.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            found |= {f"optimizer.{index}.{key}": tensor for key, tensor in state.items()}
        return found

    def restore(self, tensors: Mapping[str, Tensor], updates: int) -> None:
        """Go on from the state that `tensors` returned.

        Args:
            tensors: The state; other names than its own are left alone.
            updates: Number of updates before it.

        Raises:
            CheckpointError: If a tensor is missing or does not fit; nothing has changed then.
        """
        expected = {f"network.{key}": tensor for key, tensor in self.network.state_dict().items()}
        expected |= {f"target.{key}": tensor for key, tensor in self.target.state_dict().items()}
        parameters = list(self.network.parameters()) if updates else []  # Adam has no state before
        for index, parameter in enumerate(parameters):
            like = {"step": torch.zeros(()), "exp_avg": parameter, "exp_avg_sq": parameter}
            expected |= {f"optimizer.{index}.{key}": tensor for key, tensor in like.items()}
        found = check(tensors, expected)
        self.network.load_state_dict(within("network.", found))
        self.target.load_state_dict(within("target.", found))
        state = {index: within(f"optimizer.{index}.", found) for index in range(len(parameters))}
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": state})
        self.updates = updates
