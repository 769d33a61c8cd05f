"""`dqn2snn suggest`: which recipe, which thresholds, how many steps."""

from __future__ import annotations

import argparse

from dqn2snn._utils.arguments import Parser, agreement, positive_number
from dqn2snn.cli._arguments import add_dqn, add_observations
from dqn2snn.cli._networks import dqn_of, observations_of
from dqn2snn.cli._parser import Commands
from dqn2snn.cli._report import Report


def add(commands: Commands[Parser]) -> None:
    """Add the command to a parser.

    Args:
        commands: The subparsers.
    """
    parser = commands.add_parser(
        "suggest",
        help="say which recipe and how many steps a DQN needs, before simulating anything",
        description="Predicts from one backward pass how far each recipe would agree with a DQN after any number of "
        "steps, and says which to take.",
        allow_abbrev=False,
    )
    add_dqn(parser)
    parser.add_argument(
        "--target-agreement",
        type=agreement,
        default=0.99,
        metavar="SHARE",
        help="wanted agreement, in (0, 1) (0.99)",
    )
    add_observations(parser)
    parser.add_argument(
        "--max-spikes", type=positive_number, default=8, metavar="K", help="spikes a step of bursts (8)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> Report:
    """Suggest.

    Args:
        args: The arguments.

    Returns:
        Report: Predicted agreement by recipe, and which to take.
    """
    dqn = dqn_of(args)
    observations = observations_of(args, dqn)
    from dqn2snn.analysis.suggestion import suggest

    suggestion = suggest(
        dqn,
        observations,
        args.target_agreement,
        max_spikes=args.max_spikes,
    )
    command = f"dqn2snn convert {args.agent} {suggestion.best.arguments}"
    data = {
        "agent": dqn.name,
        "env_id": dqn.env_id,
        "seed": args.seed,
        **suggestion.to_dict(),
        "command": command,
    }
    return Report(data, f"{dqn.name}: {suggestion}\n\n{command}")
