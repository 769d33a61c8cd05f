"""How an Atari game is played: the protocol that an environment id stands for.

``"RoadRunnerNoFrameskip-v4"`` is the protocol of Tan et al. (2021), ``"ALE/RoadRunner-v5"`` that of Machado et al.
(2018) as gymnasium has registered it. Nothing is imported here; the games are made by `dqn2snn.play`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class AtariProtocol:
    """How an Atari game is played. Episodes are whole games, with all lives; rewards are raw.

    Attributes:
        name: The paper.
        max_no_ops: An episode begins with less than so many frames of no-op, drawn from its seed; 0 for none.
        fire_on_reset: Press FIRE for the first of those frames, in games that have it as an action.
        sticky: Probability with which a frame repeats the action before, instead of the one asked for.
        max_frames: Frames after which an episode is cut off.
        skip: Frames for which an action is kept; what is seen is the greater of the last two, pixel by pixel.
        stack: Pictures in an observation, zeros before the first.
        size: Height and width of a picture, in pixels.
    """

    name: str
    max_no_ops: int
    fire_on_reset: bool
    sticky: float
    max_frames: int
    skip: int = 4
    stack: int = 4
    size: int = 84

    @property
    def max_episode_steps(self) -> int:
        """Decisions after which an episode is cut off."""
        return self.max_frames // self.skip

    def describe(self) -> str:
        """Say the same in a sentence, for a model card.

        Returns:
            Markdown.

        Example:
            >>> print(MACHADO2018.describe())
            machado2018: sticky actions (0.25), an action kept for 4 frames, the greater of the last two, 84 x 84 grey
            pictures, 4 of them stacked; whole games of at most 27,000 decisions, raw rewards
        """
        start = f"up to {self.max_no_ops} no-ops, " if self.max_no_ops else ""
        fire = "FIRE to begin with where the game has it, " if self.fire_on_reset else ""
        sticky = f"sticky actions ({self.sticky:g})" if self.sticky else "no sticky actions"
        return (
            f"{self.name}: {start}{fire}{sticky}, an action kept for {self.skip} frames, the greater of the last two, "
            f"{self.size} x {self.size} grey pictures, {self.stack} of them stacked; whole games of at most "
            f"{self.max_episode_steps:,} decisions, raw rewards"
        )


TAN2021 = AtariProtocol("tan2021", max_no_ops=30, fire_on_reset=True, sticky=0.0, max_frames=72_000)
"""Tan et al. (2021), as OpenAI Baselines plays (Mnih et al., 2015): their 18,000 are decisions, not frames."""

MACHADO2018 = AtariProtocol("machado2018", max_no_ops=0, fire_on_reset=False, sticky=0.25, max_frames=108_000)
"""Machado et al. (2018), "Revisiting the Arcade Learning Environment", JAIR 61, with gymnasium's limit of 30 minutes,
which Dopamine uses too. The paper's own experiments take 18,000 frames (``max_episode_steps=4500``) and all 18
actions."""

_IDS = ((re.compile(r"(\w+)NoFrameskip-v4"), TAN2021), (re.compile(r"ALE/(\w+)-v5"), MACHADO2018))


def atari_protocol(env: str) -> AtariProtocol | None:
    """Tell the protocol that an environment id stands for.

    Args:
        env: An environment id, whether or not there is such a game.

    Returns:
        The protocol; None for what is not an Atari id.

    Example:
        >>> atari_protocol("PongNoFrameskip-v4").max_episode_steps
        18000
        >>> atari_protocol("CartPole-v1") is None
        True
    """
    return _parse(env)[1]


def game_of(env: str) -> str | None:
    """Tell the game that an environment id names.

    Args:
        env: An environment id.

    Returns:
        The game; None for what is not an Atari id.

    Example:
        >>> game_of("ALE/RoadRunner-v5")
        'RoadRunner'
    """
    return _parse(env)[0]


def _parse(env: str) -> tuple[str, AtariProtocol] | tuple[None, None]:
    for pattern, protocol in _IDS:
        if match := pattern.fullmatch(env):
            return match[1], protocol
    return None, None
