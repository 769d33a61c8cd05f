"""Teaching one quantile network what another knows, over frames that both of them meet."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from atari.acting import choose
from atari.curve import Marks
from atari.games import Games
from atari.memory import games_of
from atari.network import FRAMES, QuantileNetwork, as_input
from dqn2snn.errors import ArgumentError

__all__ = ["Lesson", "Taught", "distil", "lesson_loss"]

_POINT_EVERY = 500  # updates between two points of the learning curve
_MAX_GRAD_NORM = 10.0
_SMALL = 0.1


@dataclass(frozen=True)
class Lesson:
    """How a network is taught.

    Attributes:
        updates: Steps of gradient descent.
        batch_size: Frames of each.
        learning_rate: At the start; it falls to zero along half a cosine.
        num_envs: Games side by side. The teacher plays in half of them, the student in the others.
        memory: Frames that are kept; the oldest make room.
        epsilon: Probability of a random action.
        advantages: Weight of the distance of what sets actions apart, beside the distance of the quantiles.
        seed: Determines games, actions and batches.
    """

    updates: int = 20_000
    batch_size: int = 64
    learning_rate: float = 1e-3
    num_envs: int = 8
    memory: int = 40_000
    epsilon: float = 0.05
    advantages: float = 100.0
    seed: int = 1

    def __post_init__(self) -> None:
        too_few = self.num_envs < 2 or min(self.updates, self.batch_size) < 1
        if too_few or self.memory < self.batch_size or not 0 <= self.advantages < math.inf:
            raise ArgumentError(
                "Expected two games or more, a memory that holds a batch, and a weight of 0 or more. "
                f"Found {self}. Try {Lesson()}."
            )


@dataclass(frozen=True)
class Taught:
    """What a lesson came to.

    Attributes:
        steps: Steps that were played.
        updates: Updates that were done, fewer than those of the lesson if it was stopped.
        curve: Points of the learning curve. Each has ``step`` and ``update``; ``loss`` and ``agreement``, the share of
            frames in which the student took the teacher's decision, means over the batches since the last point, before
            learning from them; and ``score``, the mean raw score of the student's last whole games, once there is one.
    """

    steps: int
    updates: int
    curve: list[dict[str, float]]


def distil(
    teacher: QuantileNetwork,
    student: QuantileNetwork,
    game: str,
    lesson: Lesson,
    stop: Callable[[], bool] = lambda: False,
) -> Taught:
    """Regress the student's quantiles on the teacher's: `lesson_loss`.

    The student plays in half of the games, so that it is told what to do where its own mistakes lead
    (Ross et al., 2011, arXiv 1011.0686). Each update comes after one step of all games.

    Args:
        teacher: It is not changed.
        student: Of the same game and number of quantiles; trained in place.
        game: Name of the game.
        lesson: How.
        stop: Asked before every update.

    Returns:
        How much was played and learned, and the learning curve.
    """
    rng = np.random.default_rng(lesson.seed)
    games = games_of(teacher.body)(game, lesson.num_envs, lesson.seed)
    frames = torch.zeros(lesson.memory, *FRAMES, dtype=torch.uint8)
    known = torch.zeros(lesson.memory, teacher.actions, teacher.quantiles)
    optimizer = torch.optim.Adam(student.parameters(), lr=lesson.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, lesson.updates)
    played, done, marks = 0, 0, Marks()
    for _ in (bar := tqdm(range(lesson.updates), unit="update")):
        if stop():
            break
        while True:
            rows = torch.arange(played, played + lesson.num_envs) % lesson.memory
            frames[rows], known[rows], scores = _step(teacher, student, games, lesson.epsilon, rng)
            marks.played(scores)
            played += lesson.num_envs
            if played >= 10 * lesson.batch_size:
                break
        chosen = torch.from_numpy(rng.integers(min(played, lesson.memory), size=lesson.batch_size))
        found = student(as_input(frames[chosen]))
        loss = lesson_loss(found, known[chosen], lesson.advantages)
        _descend(optimizer, loss)
        schedule.step()
        done += 1
        same = found.mean(2).argmax(1) == known[chosen].mean(2).argmax(1)
        marks.learned(loss.item(), same.float().mean().item())
        if done % _POINT_EVERY == 0:
            bar.set_postfix_str(marks.point(played, done))
    bar.close()
    if marks.losses:
        marks.point(played, done)
    return Taught(played, done, marks.curve)


def lesson_loss(found: Tensor, known: Tensor, advantages: float) -> Tensor:
    """Compute the distance of two networks' quantiles, and of their advantages with more weight.

    How good a moment is takes most of the first, and says nothing of what to do. With the smooth L1 distances d, which
    turns linear at 1, and e, which does at 0.1, means over all elements,

        L = d(theta_s, theta_t) + w e(A_s, A_t),   A(x, a) = Q(x, a) - mean_b Q(x, b),   Q = mean_i theta_i.

    Args:
        found: theta_s, quantiles of the student, ``[B, A, N]``.
        known: theta_t, of the teacher.
        advantages: w.

    Returns:
        L, a scalar.

    Example:
        >>> known = torch.zeros(1, 2, 1)
        >>> lesson_loss(known + 1, known, 100.0)
        tensor(0.5000)
    """
    ours, theirs = (q - q.mean(1, keepdim=True) for q in (found.mean(2), known.mean(2)))
    apart = F.smooth_l1_loss(ours, theirs, beta=_SMALL)
    return F.smooth_l1_loss(found, known) + advantages * apart


@torch.no_grad()
def _step(
    teacher: QuantileNetwork,
    student: QuantileNetwork,
    games: Games,
    epsilon: float,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor, list[float]]:
    """Play one step of every game.

    Return the frames before it, what the teacher says of them, and the scores of the student's games that ended.
    """
    said, frames = teacher(as_input(torch.from_numpy(games.observations))), torch.from_numpy(games.frames)
    q, half = said.mean(2).numpy(), len(frames) // 2
    q[half:] = student(as_input(frames[half:])).mean(2).numpy()
    scores = games.step(choose(q, epsilon, rng)).scores
    return frames, said, [score for copy, score in scores.items() if copy >= half]


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], _MAX_GRAD_NORM)
    optimizer.step()
