"""The networks that the arguments of a command name."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dqn2snn.cli._arguments import OBSERVATIONS, RECIPE
from dqn2snn.errors import ArgumentError, PlanError

if TYPE_CHECKING:
    from torch import Tensor

    from dqn2snn.io.checkpoints import QNetwork
    from dqn2snn.network import SpikingQNetwork
    from dqn2snn.plan import SpikingPlan


def dqn_of(args: argparse.Namespace) -> QNetwork:
    """Load the DQN that the arguments name, and see that it belongs into its environment.

    Where a file comes from is printed on standard error, as far as it is known.

    Args:
        args: Of `add_dqn`.

    Returns:
        QNetwork: The DQN.

    Raises:
        ArgumentError: If nobody says in which environment it plays.
    """
    from dqn2snn.io.checkpoints import load_q_network

    dqn = load_q_network(args.agent, env=args.env, preset=args.preset)
    if dqn.provenance.rule == "zoo":
        return dqn
    if not dqn.env_id:
        raise ArgumentError(
            f"Expected --env ID. Found none, and {args.agent} does not name its environment. Give its id."
        )
    if args.env is None:
        dqn.check_environment(dqn.env_id)
    print(f"dqn2snn: {dqn.provenance}", file=sys.stderr)
    return dqn


def snn_of(args: argparse.Namespace, dqn: QNetwork) -> SpikingQNetwork:
    """Load the plan that the arguments name, or convert the DQN as they say.

    Args:
        args: Of `add_dqn`, `add_conversion` and `add_plan`.
        dqn: The DQN.

    Returns:
        SpikingQNetwork: The spiking network, simulated by the engine of the arguments.

    Raises:
        ArgumentError: If they ask for a plan and for a conversion.
    """
    if args.plan is None:
        check_conversion(args)
        return convert_on(args, dqn, observations_of(args, dqn), args.steps)
    given = [name for name in ("recipe", "grid", "observations") if getattr(args, name) is not None]
    if given:
        raise ArgumentError(f"Expected --plan or --{given[0]}. Found both. The plan was converted already.")
    from dqn2snn.network import SpikingQNetwork
    from dqn2snn.plan.file import load_plan

    plan = load_plan(args.plan)
    _check_fits(plan, dqn, args.plan)
    # The grid is exact for fewer steps, too.
    shortened = replace(plan, num_steps=plan.check_steps(args.steps))
    return SpikingQNetwork(shortened, args.backend, args.engine)


def check_conversion(args: argparse.Namespace) -> None:
    """Refuse, before anything is played, what can be refused then.

    Args:
        args: Of `add_conversion`.
    """
    from dqn2snn.analysis.hardware.quantize import check_bits
    from dqn2snn.neurons.backends import backend_named

    if args.weight_bits is not None:
        check_bits(args.weight_bits)
    backend_named(args.backend)


def observations_of(args: argparse.Namespace, dqn: QNetwork) -> Tensor:
    """Play for observations to calibrate on.

    Args:
        args: Of `add_dqn` and `add_observations`.
        dqn: The DQN, which plays.

    Returns:
        Tensor: The observations.
    """
    import dqn2snn

    return dqn2snn.collect_observations(dqn, args.observations or OBSERVATIONS, seed=args.seed)


def convert_on(
    args: argparse.Namespace,
    dqn: QNetwork,
    observations: Tensor,
    num_steps: int | None,
    target_agreement: float | None = None,
) -> SpikingQNetwork:
    """Convert a DQN as the arguments say, given what it has seen.

    Args:
        args: Of `add_conversion`, and of `add_plan` where the command simulates.
        dqn: The DQN.
        observations: To calibrate on.
        num_steps: T; None for the recipe's own.
        target_agreement: Chooses the number of steps in place of `num_steps`.

    Returns:
        SpikingQNetwork: The spiking network.
    """
    import dqn2snn
    from dqn2snn.analysis.hardware import quantize

    engine = getattr(args, "engine", "auto")
    snn = dqn2snn.convert(
        dqn,
        observations,
        recipe=args.recipe or RECIPE,
        num_steps=num_steps,
        grid=None if args.grid == "none" else args.grid if args.grid is not None else "auto",
        backend=args.backend,
        engine=engine,
        target_agreement=target_agreement,
    )
    if args.weight_bits is None:
        return snn
    # Weights are calibrated on observations where spikes are counted, and rounded otherwise.
    calibrated_on = observations if snn.plan.coding.counted else None
    plan = quantize(snn.plan, args.weight_bits, observations=calibrated_on)
    return dqn2snn.SpikingQNetwork(plan, args.backend, engine)


def _check_fits(plan: SpikingPlan, dqn: QNetwork, path: Path) -> None:
    expected = dqn.observation_shape, dqn.num_actions
    if (plan.input_shape, plan.num_actions) != expected:
        raise PlanError(
            f"Expected a plan for observations {expected[0]} and {expected[1]} actions, as {dqn.name} has them. "
            f"Found {plan.input_shape} and {plan.num_actions} in {path}. Convert this agent."
        )
