"""The arguments that name a DQN and its spiking network, and the networks that they name."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqn2snn._utils.arguments import grid, natural_number, positive_number
from dqn2snn._utils.nearest import unknown_name
from dqn2snn._utils.plugins import plugins
from dqn2snn.errors import ArgumentError, PlanError

if TYPE_CHECKING:
    from torch import Tensor

    from dqn2snn.io.checkpoints import QNetwork
    from dqn2snn.network import SpikingQNetwork
    from dqn2snn.plan import SpikingPlan
    from dqn2snn.recipes import Recipe

__all__ = [
    "add_agent",
    "add_conversion",
    "add_plan",
    "agent_of",
    "calibration_of",
    "check_conversion",
    "convert_agent",
    "convert_on",
    "spiking_network_of",
]

# By name, since recipes and backends themselves import torch.
RECIPES = (
    "rate",
    "rate_if",
    "burst",
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


def add_agent(parser: argparse.ArgumentParser) -> None:
    """The DQN, and how the answer is printed.

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
    parser.add_argument(
        "--json", action="store_true", help="print JSON on standard output, nothing else there"
    )


def add_conversion(parser: argparse.ArgumentParser) -> None:
    """How the DQN is converted.

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
    group.add_argument(
        "--observations",
        type=positive_number,
        metavar="N",
        help=f"observations of the DQN's play to calibrate on ({OBSERVATIONS})",
    )
    group.add_argument(
        "--backend",
        choices=(*BACKENDS, *plugins("dqn2snn.backends")),
        default="snntorch",
        help="whose neurons (snntorch)",
    )


def engine_name(text: str) -> str:
    """The name of an engine, or auto; what others there are is known once torch is imported."""
    if text == "auto":
        return text
    from dqn2snn.engine.registry import check_engine

    try:
        return check_engine(text)
    except ArgumentError as error:
        raise argparse.ArgumentTypeError(str(error).rstrip(".")) from None


def add_plan(parser: argparse.ArgumentParser) -> None:
    """A plan in place of a conversion, and how it is simulated.

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


def agent_of(args: argparse.Namespace) -> QNetwork:
    """Load the DQN that the arguments name, and see that it belongs into its environment.

    Args:
        args: Of `add_agent`.

    Returns:
        Checkpoint: The DQN. What is known of where a file comes from is told on standard error.

    Raises:
        ArgumentError: If nobody says what it plays.
    """
    from dqn2snn.io.checkpoints import load_q_network

    agent = load_q_network(args.agent, env=args.env, preset=args.preset)
    if agent.provenance.rule == "zoo":
        return agent
    if not agent.env_id:
        raise ArgumentError(
            f"Expected --env ID. Found none, and {args.agent} does not name its environment. Give its id."
        )
    if args.env is None:
        agent.check_environment(agent.env_id)
    print(f"dqn2snn: {agent.provenance}", file=sys.stderr)
    return agent


def spiking_network_of(args: argparse.Namespace, agent: QNetwork) -> SpikingQNetwork:
    """Load the plan that the arguments name, or convert the agent as they say.

    Args:
        args: Of `add_agent`, `add_conversion` and `add_plan`.
        agent: The agent.

    Returns:
        SpikingQNetwork: The spiking network, to be simulated by the engine of the arguments.

    Raises:
        ArgumentError: If they ask for a plan and for a conversion.
    """
    if args.plan is None:
        return convert_agent(args, agent, engine=args.engine)[0]
    given = [name for name in ("recipe", "grid", "observations") if getattr(args, name) is not None]
    if given:
        raise ArgumentError(f"Expected --plan or --{given[0]}. Found both. The plan was converted already.")
    from dqn2snn.network import SpikingQNetwork
    from dqn2snn.plan.file import load_plan

    plan = load_plan(args.plan)
    _check_fits(plan, agent, args.plan)
    shortened = replace(
        plan, num_steps=plan.check_steps(args.steps)
    )  # its grid is exact for fewer steps, too
    return SpikingQNetwork(shortened, args.backend, args.engine)


def convert_agent(
    args: argparse.Namespace, agent: QNetwork, engine: Any = "auto", target: float | None = None
) -> tuple[SpikingQNetwork, Tensor]:
    """Convert an agent as the arguments say.

    Args:
        args: Of `add_agent` and `add_conversion`.
        agent: The agent.
        engine: How the network is simulated by default.
        target: Agreement that chooses the number of steps; None for the number of the arguments.

    Returns:
        tuple[SpikingQNetwork, Tensor]: The spiking network, and the observations that it was calibrated on.
    """
    check_conversion(args)
    observations = calibration_of(args, agent)
    return convert_on(args, agent, observations, args.steps, engine=engine, target=target), observations


def check_conversion(args: argparse.Namespace) -> None:
    """Refuse what can be refused before anything is played.

    Args:
        args: Of `add_conversion`.
    """
    from dqn2snn.analysis.hardware.quantize import check_bits
    from dqn2snn.neurons.backends import backend_named

    if args.weight_bits is not None:
        check_bits(args.weight_bits)
    backend_named(args.backend)


def calibration_of(args: argparse.Namespace, agent: QNetwork) -> Tensor:
    """Play for observations to calibrate on.

    Args:
        args: Of `add_agent` and `add_conversion`.
        agent: The agent.

    Returns:
        Tensor: The observations.
    """
    import dqn2snn

    return dqn2snn.collect_observations(agent, args.observations or OBSERVATIONS, seed=args.seed)


def convert_on(
    args: argparse.Namespace,
    agent: QNetwork,
    observations: Tensor,
    num_steps: int | None,
    *,
    engine: Any = "auto",
    target: float | None = None,
) -> SpikingQNetwork:
    """Convert an agent, given what it has seen.

    Args:
        args: Of `add_conversion`.
        agent: The agent.
        observations: To calibrate on.
        num_steps: T; None for the recipe's own.
        engine: How the network is simulated by default.
        target: Agreement that chooses the number of steps.

    Returns:
        SpikingQNetwork: The spiking network.
    """
    import dqn2snn
    from dqn2snn.analysis.hardware import quantize

    snn = dqn2snn.convert(
        agent,
        observations,
        recipe=args.recipe or RECIPE,
        num_steps=num_steps,
        grid=None if args.grid == "none" else args.grid if args.grid is not None else "auto",
        backend=args.backend,
        engine=engine,
        target_agreement=target,
    )
    if args.weight_bits is None:
        return snn
    plan = quantize(
        snn.plan,
        args.weight_bits,
        observations=_countable(snn.plan, observations),
    )
    return dqn2snn.SpikingQNetwork(plan, args.backend, engine)


def _countable(plan: SpikingPlan, observations: Tensor) -> Tensor | None:
    """What weights are calibrated on: nothing where spikes are not counted."""
    return observations if plan.coding.counted else None


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


def _check_fits(plan: SpikingPlan, agent: QNetwork, path: Path) -> None:
    expected = agent.observation_shape, agent.num_actions
    if (plan.input_shape, plan.num_actions) != expected:
        raise PlanError(
            f"Expected a plan for observations {expected[0]} and {expected[1]} actions, as {agent.name} has them. "
            f"Found {plan.input_shape} and {plan.num_actions} in {path}. Convert this agent."
        )
