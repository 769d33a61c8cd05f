"""How the observations of an Atari network were made in training, and whether an environment makes them so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from dqn2snn._utils.atari import MACHADO2018, TAN2021, AtariProtocol, atari_protocol


@dataclass(frozen=True)
class Preset:
    """Preprocessing of an Atari game: what a network is used to see, and to what its actions did.

    Attributes:
        name: Whose it is.
        skip: Frames for which an action is kept.
        stack: Pictures in an observation.
        size: Height and width of a picture, in pixels.
        sticky: Probability with which a frame repeats the action before, instead of the one asked for.
        fire_on_reset: FIRE was pressed for the network at the beginning; one that relies on it may never begin.
    """

    name: str
    skip: int = 4
    stack: int = 4
    size: int = 84
    sticky: float = 0.0
    fire_on_reset: bool = True


def preset_of(protocol: AtariProtocol) -> Preset:
    """Give what a protocol shows to a network.

    Args:
        protocol: How a game is played.

    Returns:
        The preset of the same name.

    Example:
        >>> preset_of(MACHADO2018).sticky
        0.25
    """
    return Preset(
        protocol.name, protocol.skip, protocol.stack, protocol.size, protocol.sticky, protocol.fire_on_reset
    )


PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            Preset("sb3"),
            Preset("cleanrl"),
            Preset("tianshou"),
            Preset("torchrl", fire_on_reset=False),
            preset_of(TAN2021),
            preset_of(MACHADO2018),
        )
    }
)
"""By name: what the Atari scripts of each framework do on ``NoFrameskip-v4`` games, and this package's protocols."""


def preset_differences(preset: Preset, env: str) -> list[str]:
    """Name what an environment does otherwise than the training did.

    Args:
        preset: How the network was trained.
        env: Gymnasium id of the environment in which it is to play.

    Returns:
        One clause a difference; none if the two agree.

    Example:
        >>> preset_differences(PRESETS["sb3"], "ALE/Pong-v5")
        ['sticky actions with probability 0.25 instead of 0', 'no FIRE at the beginning']
        >>> preset_differences(PRESETS["sb3"], "PongNoFrameskip-v4")
        []
    """
    protocol = atari_protocol(env)
    if protocol is None:
        return ["no Atari preprocessing"]
    numbers = (
        ("an action kept for {} frames", protocol.skip, preset.skip),
        ("{} pictures in an observation", protocol.stack, preset.stack),
        ("pictures {} pixels wide and high", protocol.size, preset.size),
        ("sticky actions with probability {}", protocol.sticky, preset.sticky),
    )
    found = [
        f"{text.format(f'{has:g}')} instead of {expects:g}"
        for text, has, expects in numbers
        if has != expects
    ]
    # The other way round does no harm: an agent that can begin by itself also goes on from there.
    if preset.fire_on_reset and not protocol.fire_on_reset:
        found.append("no FIRE at the beginning")
    return found
