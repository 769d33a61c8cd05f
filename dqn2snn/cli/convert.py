"""`dqn2snn convert`: a DQN in, the plan of its spiking network out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqn2snn._utils.arguments import Parser, agreement
from dqn2snn.cli._arguments import add_conversion, add_dqn
from dqn2snn.cli._files import check_directory
from dqn2snn.cli._networks import check_conversion, convert_on, dqn_of, observations_of
from dqn2snn.cli._parser import Commands
from dqn2snn.cli._plans import describe_plan
from dqn2snn.cli._report import Report
from dqn2snn.errors import ArgumentError

if TYPE_CHECKING:
    from dqn2snn.plan import SpikingPlan

_RATED = 128  # observations whose firing rates are in the summary


def add(commands: Commands[Parser]) -> None:
    """Add the command to a parser.

    Args:
        commands: The subparsers.
    """
    parser = commands.add_parser(
        "convert",
        help="convert a DQN and save the plan of its spiking network",
        description="Converts a DQN and saves the plan of its spiking network, one file for both backends.",
        allow_abbrev=False,
    )
    add_dqn(parser)
    add_conversion(parser)
    parser.add_argument(
        "--target-agreement",
        type=agreement,
        metavar="SHARE",
        help="take the fewest steps that agree with the DQN on so many decisions, 0.99 for 99 %%",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="plan to write (AGENT.safetensors)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> Report:
    """Convert and save.

    Args:
        args: The arguments.

    Returns:
        Report: What the layers are like and how fast they fire.
    """
    dqn = dqn_of(args)
    path = args.output or Path(f"{dqn.name}.safetensors")
    check_directory(path)
    target = args.target_agreement
    if target is not None and args.steps is not None:
        raise ArgumentError(
            "Expected --steps or --target-agreement. Found both. The target chooses the steps."
        )
    check_conversion(args)
    observations = observations_of(args, dqn)
    snn = convert_on(args, dqn, observations, args.steps, target)
    from dqn2snn.metrics import firing_rates
    from dqn2snn.plan.file import save_plan

    sample = observations[:: max(1, len(observations) // _RATED)]
    rates = {name: rate.mean().item() for name, rate in firing_rates(snn.record(sample)).items()}
    save_plan(snn.plan, path)
    data: dict[str, Any] = {
        "agent": dqn.name,
        "env_id": dqn.env_id,
        "backend": args.backend,
        "seed": args.seed,
        "output": str(path),
        **describe_plan(snn.plan),
        "firing_rates": rates,
    }
    saved = f"Calibrated on {len(observations):,} observations of {dqn.env_id}. Saved {path} ({_size(path)})."
    return Report(data, f"{snn.summary(sample)}\n\n{_tried(snn.plan)}{saved}")


def _tried(plan: SpikingPlan) -> str:
    """Say which numbers of steps were simulated to find one."""
    if "tried" not in plan.report:
        return ""
    from dqn2snn.analysis.suggestion._target import trials_table

    held_out = (
        f"On {plan.report['held_out']:,} held-out observations, for {plan.report['target_agreement']:g}:"
    )
    return f"{held_out}\n{trials_table(plan.report)}\n\n"


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1000:,.0f} kB"
