"""The loss beside a double loop over quantiles, the targets beside their equation, and that learning learns."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import Tensor

pytest.importorskip("ale_py", reason="the Atari trainer needs the extra atari")

from hypothesis import given
from hypothesis import strategies as st

from atari.learning import Learner, double_targets, quantile_huber_loss
from atari.network import QuantileNetwork, as_input
from atari.replay import Batch
from atari.settings import Settings
from dqn2snn.errors import ArgumentError, CheckpointError


def by_hand(theta: list[list[float]], y: list[list[float]]) -> float:
    total = 0.0
    for row, wanted in zip(theta, y, strict=True):
        for i, quantile in enumerate(row):
            level = (2 * i + 1) / (2 * len(row))
            for target in wanted:
                u = target - quantile
                huber = 0.5 * u * u if abs(u) <= 1 else abs(u) - 0.5
                total += abs(level - (u < 0)) * huber / len(wanted)
    return total / len(theta)


sizes = st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32))


@given(sizes)
def test_the_loss_is_that_of_the_paper(size: tuple[int, int, int, int]) -> None:
    batch, count, wanted, seed = size
    generator = torch.Generator().manual_seed(seed)
    theta = 2 * torch.randn(batch, count, generator=generator, dtype=torch.float64)
    y = 2 * torch.randn(batch, wanted, generator=generator, dtype=torch.float64)
    assert math.isclose(
        quantile_huber_loss(theta, y).mean().item(), by_hand(theta.tolist(), y.tolist()), rel_tol=1e-6
    )


@given(sizes)
def test_its_gradient_is_that_of_differences(size: tuple[int, int, int, int]) -> None:
    batch, count, wanted, seed = size
    generator = torch.Generator().manual_seed(seed)
    theta = (2 * torch.randn(batch, count, generator=generator, dtype=torch.float64)).requires_grad_()
    y = (2 * torch.randn(batch, wanted, generator=generator, dtype=torch.float64)).requires_grad_()
    (gradient,) = torch.autograd.grad(quantile_huber_loss(theta, y).mean(), theta)
    step = 1e-6
    for index in np.ndindex(batch, count):
        high, low = theta.detach().clone(), theta.detach().clone()
        high[index] += step
        low[index] -= step
        slope = (by_hand(high.tolist(), y.tolist()) - by_hand(low.tolist(), y.tolist())) / (2 * step)
        assert math.isclose(gradient[index].item(), slope, rel_tol=1e-4, abs_tol=2 * step)


def test_its_minimum_is_the_quantiles_of_the_targets() -> None:
    targets = 100 * torch.rand(1, 999, generator=torch.Generator().manual_seed(0))  # wide beside kappa = 1
    theta = torch.full((1, 4), 50.0, requires_grad=True)
    optimizer = torch.optim.Adam([theta], lr=1.0)
    for _ in range(400):
        optimizer.zero_grad()
        quantile_huber_loss(theta, targets).mean().backward()
        optimizer.step()
    levels = torch.tensor([0.125, 0.375, 0.625, 0.875])
    torch.testing.assert_close(theta[0].detach(), targets[0].quantile(levels), atol=1.0, rtol=0)


def batch_of(count: int, actions: int, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randint(0, 256, (2, count, 4, 84, 84), generator=generator, dtype=torch.uint8)
    return Batch(
        frames[0],
        torch.randint(0, actions, (count,), generator=generator),
        torch.randn(count, generator=generator),
        frames[1],
        torch.where(torch.rand(count, generator=generator) < 0.3, 0.0, 0.97),
        torch.ones(count),
        np.arange(count),
    )


def test_the_network_chooses_and_the_target_values() -> None:
    network, target = QuantileNetwork("nips2013", 5, 3), QuantileNetwork("nips2013", 5, 3)
    batch = batch_of(16, 5)
    found = double_targets(network, target, batch)
    chosen = []
    for i in range(16):
        frames = batch.next_observations[i : i + 1].float() / 255
        action = int(network(frames)[0].mean(1).argmax())
        chosen.append(action)
        expected = batch.returns[i] + batch.discounts[i] * target(frames)[0, action]
        torch.testing.assert_close(found[i], expected)
    assert chosen != target(batch.next_observations.float() / 255).mean(2).argmax(1).tolist()
    assert not found.requires_grad


SMALL = Settings(quantiles=4, target_every=3, learning_rate=1e-3)


def learner(seed: int = 0) -> Learner:
    torch.manual_seed(seed)
    return Learner.start(QuantileNetwork("nips2013", 3, SMALL.quantiles), SMALL)


def test_learning_finds_the_values_of_a_small_problem() -> None:
    """Four observations, three actions, all terminal: what each gives is its value, and nothing else."""
    generator = torch.Generator().manual_seed(1)
    frames = torch.randint(0, 256, (4, 4, 84, 84), generator=generator, dtype=torch.uint8).repeat(3, 1, 1, 1)
    actions = torch.arange(3).repeat_interleave(4)
    values = torch.randint(-1, 2, (12,), generator=generator).float()
    batch = Batch(frames, actions, values, frames, torch.zeros(12), torch.ones(12), np.arange(12))
    trained = learner()
    losses = [trained.update(batch).mean() for _ in range(100)]
    assert losses[-1] < losses[0] / 20
    q = trained.network(as_input(frames)).mean(2)[torch.arange(12), actions]
    torch.testing.assert_close(q.detach(), values, atol=0.1, rtol=0)


def test_the_target_follows_after_so_many_updates() -> None:
    trained = learner()
    start = copy.deepcopy(trained.target.state_dict())
    for update in range(1, 7):
        trained.update(batch_of(4, 3, seed=update))
        same = {
            name: torch.equal(tensor, trained.network.state_dict()[name])
            for name, tensor in trained.target.state_dict().items()
        }
        assert all(same.values()) == (update % 3 == 0)
        assert torch.equal(trained.target.q.bias, start["q.bias"]) == (update < 3)


def test_a_weight_counts_as_often_as_its_transition_would() -> None:
    """Adam's first step has the size of the learning rate whatever the loss, so gradients are compared."""
    batch = batch_of(4, 3)
    weighted, repeated = learner(), learner()
    kept = torch.tensor([0, 0, 1])
    losses = weighted.update(Batch(*(part[:2] for part in batch))._replace(weights=torch.tensor([1.0, 0.5])))
    again = repeated.update(Batch(*(part[kept] for part in batch)))
    assert torch.equal(losses[kept], again)
    for one, other in zip(weighted.network.parameters(), repeated.network.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        torch.testing.assert_close(one.grad / 1.5 * 2, other.grad)


def stored(trained: Learner) -> dict[str, Tensor]:
    """As a file holds them: row after row."""
    return {name: tensor.clone().contiguous() for name, tensor in trained.tensors().items()}


@pytest.mark.parametrize("updates", [0, 4])
def test_a_restored_learner_goes_on_exactly(updates: int) -> None:
    first, second = learner(0), learner(1)
    for update in range(updates):
        first.update(batch_of(4, 3, seed=update))
    second.restore(stored(first), updates)
    for update in range(updates, updates + 4):
        batch = batch_of(4, 3, seed=update)
        assert torch.equal(first.update(batch), second.update(batch))
    assert first.updates == second.updates == updates + 4
    for name, tensor in first.tensors().items():
        assert torch.equal(tensor, second.tensors()[name]), name


def test_tensors_that_do_not_fit_change_nothing() -> None:
    trained, other = learner(0), learner(1)
    trained.update(batch_of(4, 3))
    before = stored(other)
    whole = stored(trained)
    broken = {
        r"Expected a tensor 'optimizer.3.exp_avg_sq' .* Found none": whole.keys()
        - {"optimizer.3.exp_avg_sq"},
        r"Expected a tensor 'network.q.bias' .* Found none": whole.keys() - {"network.q.bias"},
    }
    for message, names in broken.items():
        with pytest.raises(CheckpointError, match=message):
            other.restore({name: whole[name] for name in names}, 1)
    with pytest.raises(
        CheckpointError, match=r"of floats of shape \[12\]. Found torch.float32 of shape \[2\]"
    ):
        other.restore(whole | {"target.q.bias": torch.zeros(2)}, 1)
    with pytest.raises(CheckpointError, match=r"NaN or infinity in 'optimizer\.0\.exp_avg'"):
        other.restore(whole | {"optimizer.0.exp_avg": whole["optimizer.0.exp_avg"] * math.nan}, 1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in stored(other).items())


def test_a_loss_that_is_not_finite_ends_the_training_before_it_spoils_the_network() -> None:
    trained = learner()
    before = stored(trained)
    batch = batch_of(4, 3)
    with pytest.raises(ArgumentError, match=r"Expected a finite loss\. Found nan at update 0"):
        trained.update(batch._replace(returns=batch.returns * math.nan))
    assert all(torch.equal(tensor, before[name]) for name, tensor in stored(trained).items())
