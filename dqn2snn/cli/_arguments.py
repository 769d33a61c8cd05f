"""The arguments that name a DQN and its spiking network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dqn2snn._utils.arguments import grid, natural_number, positive_number
from dqn2snn._utils.nearest import unknown_name
from dqn2snn._utils.plugins import plugins
from dqn2snn.errors import ArgumentError

if TYPE_CHECKING:
    from dqn2snn.recipes import Recipe

# By name, since recipes and backends themselves import torch.
RECIPES = (
    "rate",
    "rate_if",
    "burst",
    "digits",
    "leaky",
    "sigma_delta",
    "ttfs",
    "tan2021",
    "diehl2015",
    "rueckauer2017",
    "deng2021",
    "bu2022",
    "xu2026",
)
BACKENDS = ("snntorch", "norse")
PRESETS = ("sb3", "cleanrl", "tianshou", "torchrl", "tan2021", "machado2018")
RECIPE, OBSERVATIONS = "rate", 5_000


def add_dqn(parser: argparse.ArgumentParser) -> None:
    """Add the DQN, and how the answer is printed.

    Args:
        parser: Gets the arguments.
    """
    parser.add_argument(
        "agent",
        metavar="AGENT",
        help="an agent (dqn2snn info lists them), a checkpoint, a directory with either, or a repository of the hub",
    )
    parser.add_argument(
        "--env", metavar="ID", help="environment to play in, if the checkpoint does not name it"
    )
    parser.add_argument(
        "--preset",
        choices=PRESETS,
        help="how Atari frames were made in training, if the checkpoint is wrong about it",
    )
    parser.add_argument(
        "--seed", type=natural_number, default=0, metavar="N", help="determines all episodes (0)"
    )
    add_json(parser)


def add_json(parser: argparse._ActionsContainer, content: str = "JSON") -> None:
    """Add whether the answer is printed for machines.

    Args:
        parser: Gets the argument.
        content: Printed then.
    """
    parser.add_argument(
        "--json", action="store_true", help=f"print {content} on standard output, nothing else there"
    )


def add_observations(parser: argparse._ActionsContainer) -> None:
    """Add how many observations a conversion sees.

    Args:
        parser: Gets the argument.
    """
    parser.add_argument(
        "--observations",
        type=positive_number,
        metavar="N",
        help=f"observations of the DQN's play to calibrate on ({OBSERVATIONS})",
    )


def add_conversion(parser: argparse.ArgumentParser) -> None:
    """Add how the DQN is converted.

    Args:
        parser: Gets the arguments.
    """
    group = parser.add_argument_group("conversion")
    group.add_argument(
        "--steps",
        "--num-steps",
        type=positive_number,
        metavar="T",
        help="time steps of a decision (the recipe's own, 32 of rate)",
    )
    group.add_argument(
        "--recipe",
        type=_recipe,
        metavar="TEXT",
        help=f"a rule with options, then corrections: burst:max_spikes=4, rate:threshold=max+ftbc+ridge_all; +none for "
        f"no corrections. Rules: {', '.join((*RECIPES, *plugins('dqn2snn.recipes')))} ({RECIPE})",
    )
    group.add_argument(
        "--grid",
        type=grid,
        metavar="auto|none|N",
        help="fixed-point grid: N fraction bits, none for floats (auto)",
    )
    group.add_argument(
        "--weight-bits",
        type=positive_number,
        metavar="N",
        help="round weights to so many bits with a power-of-two scale for each channel, calibrated (the grid's own)",
    )
    add_observations(group)
    group.add_argument(
        "--backend",
        choices=(*BACKENDS, *plugins("dqn2snn.backends")),
        default="snntorch",
        help="whose neurons (snntorch)",
    )


def engine_name(text: str) -> str:
    """Read the name of an engine, or auto; the others are known once torch is imported."""
    if text == "auto":
        return text
    from dqn2snn.engine.registry import check_engine

    try:
        return check_engine(text)
    except ArgumentError as error:
        raise argparse.ArgumentTypeError(str(error).rstrip(".")) from None


def add_plan(parser: argparse.ArgumentParser) -> None:
    """Add a plan in place of a conversion, and how it is simulated.

    Args:
        parser: Gets the arguments.
    """
    parser.add_argument("--plan", type=Path, metavar="FILE", help="use this plan, instead of converting anew")
    parser.add_argument(
        "--engine",
        type=engine_name,
        default="auto",
        metavar="ENGINE",
        help="how the network is simulated; dqn2snn info says more (auto)",
    )


def _recipe(text: str) -> Recipe:
    rule = text.partition("+")[0].partition(":")[0]
    known = (*RECIPES, *plugins("dqn2snn.recipes"))
    if rule not in known:  # found out without torch, which takes seconds to import
        raise argparse.ArgumentTypeError(str(unknown_name("a recipe", rule, known)).rstrip("."))
    from dqn2snn.recipes import Recipe

    try:
        return Recipe(text)
    except ArgumentError as error:
        raise argparse.ArgumentTypeError(str(error).rstrip(".")) from None
