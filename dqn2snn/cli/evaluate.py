"""`dqn2snn evaluate`: the scores of a DQN and of its spiking network in the same episodes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from dqn2snn._utils.arguments import Parser, positive_number, probability
from dqn2snn.cli._arguments import add_conversion, add_dqn, add_plan
from dqn2snn.cli._networks import dqn_of, snn_of
from dqn2snn.cli._parser import Commands
from dqn2snn.cli._report import Report

if TYPE_CHECKING:
    from dqn2snn.play.evaluate import Comparison


def add(commands: Commands[Parser]) -> None:
    """Add the command to a parser.

    Args:
        commands: The subparsers.
    """
    parser = commands.add_parser(
        "evaluate",
        help="play the same episodes with DQN and spiking network and score both",
        description="Plays the same episodes with a DQN and with its spiking network: scores, their paired difference, "
        "and agreement on the states that the driver visits.",
        allow_abbrev=False,
    )
    add_dqn(parser)
    add_plan(parser)
    parser.add_argument(
        "--episodes", type=positive_number, default=50, metavar="N", help="episodes of each (50)"
    )
    parser.add_argument(
        "--epsilon", type=probability, default=0.05, metavar="P", help="probability of a random action (0.05)"
    )
    parser.add_argument(
        "--driver", choices=("snn", "dqn"), default="snn", help="whose states agreement is counted on (snn)"
    )
    parser.add_argument(
        "--max-episode-steps", type=positive_number, metavar="N", help="ends an episode (no limit of ours)"
    )
    add_conversion(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> Report:
    """Play and compare.

    Args:
        args: The arguments.

    Returns:
        Report: Scores and agreement.
    """
    dqn = dqn_of(args)
    snn = snn_of(args, dqn)
    import dqn2snn

    comparison = dqn2snn.compare_policies(
        dqn,
        snn,
        episodes=args.episodes,
        seed=args.seed,
        epsilon=args.epsilon,
        driver=args.driver,
        num_envs=args.episodes,
        max_episode_steps=args.max_episode_steps,
    )
    data = {
        "agent": dqn.name,
        "env_id": dqn.env_id,
        "recipe": snn.plan.recipe,
        "num_steps": snn.plan.num_steps,
        "backend": snn.backend,
        "engine": snn.engine,
        **comparison.to_dict(),
    }
    return Report(data, f"{dqn.name}: {snn.plan.headline}\n{_text(comparison)}")


def _text(comparison: Comparison) -> str:
    dqn, decisions = comparison.dqn, comparison.agreement.count
    return f"""\
{len(dqn.returns)} episodes each, the same seeds from {dqn.seed}, epsilon {dqn.epsilon:g}; means with 95 % intervals

return of the DQN        {dqn.interval}
return of the SNN        {comparison.snn.interval}
SNN minus DQN, paired    {comparison.difference}

On the {decisions:,} decisions that the {comparison.driver.upper()} met:
agreement, robust rate   {comparison.agreement}
agreement, spike count   {comparison.spike_count_agreement}
gap-weighted agreement   {comparison.gap_weighted_agreement}
regret                   {comparison.regret}"""
