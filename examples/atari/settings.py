"""Hyper-parameters of a training, and how epsilon falls."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from atari.network import BODIES
from dqn2snn.errors import ArgumentError

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """What a training does, apart from how long; each is an option of the command line.

    Steps are agent steps of all games together, four frames each.
    """

    body: str = "nips2013"
    quantiles: int = 32
    num_envs: int = 8
    replay_size: int = 100_000  # steps, 7 KB each
    learning_starts: int = 10_000  # steps in the replay before the first update, after a resumption as well
    priority_exponent: float = 0.0  # alpha of prioritized replay; 0 draws uniformly
    batch_size: int = 64
    updates: int = 1  # each time that all games have made a step
    n_step: int = 3
    gamma: float = 0.99
    learning_rate: float = 1.5e-4
    adam_epsilon: float = 1e-5
    max_grad_norm: float = 10.0
    target_every: int = 500  # updates
    epsilon_end: float = 0.01
    epsilon_steps: int = 80_000  # in which epsilon falls from 1 to its end
    window: int = 30  # whole episodes over which scores are averaged
    seed: int = 1

    def __post_init__(self) -> None:
        _expect(self.body in BODIES, "body", f"one of {', '.join(BODIES)}", self.body)
        for name, value in asdict(self).items():
            if type(value) is int and name != "seed":
                _expect(value > 0, name, "a positive number", value)
        _expect(0 <= self.seed < 2**31, "seed", "a number from 0 to 2,147,483,647", self.seed)
        for name in ("gamma", "epsilon_end", "priority_exponent"):
            _expect(0 <= getattr(self, name) <= 1, name, "a number from 0 to 1", getattr(self, name))
        for name in ("learning_rate", "adam_epsilon", "max_grad_norm"):
            _expect(0 < getattr(self, name) < float("inf"), name, "a positive number", getattr(self, name))
        least = self.num_envs * (self.n_step + 4)  # a sample with its history has to fit
        _expect(self.replay_size >= least, "replay_size", f"at least {least}", self.replay_size)
        full = self.replay_size // self.num_envs * self.num_envs
        starts = range(least, full + 1)
        _expect(
            self.learning_starts in starts,
            "learning_starts",
            f"from {least} to what the replay holds, {full}",
            self.learning_starts,
        )

    def epsilon(self, step: int) -> float:
        """Return the probability of a random action after so many steps.

        Args:
            step: Steps so far.

        Returns:
            It falls from 1 to `epsilon_end` in a line, and stays there.

        Example:
            >>> settings = Settings(epsilon_steps=1_000, epsilon_end=0.1)
            >>> [round(settings.epsilon(step), 3) for step in (0, 500, 1_000, 5_000)]
            [1.0, 0.55, 0.1, 0.1]
        """
        fraction = min(1.0, step / self.epsilon_steps)
        return (1.0 - fraction) + self.epsilon_end * fraction


def _expect(holds: bool, name: str, expected: str, found: Any) -> None:
    if not holds:
        raise ArgumentError(f"Expected {name} to be {expected}. Found {found!r}. Give another.")
