"""`dqn2snn agree`: on how many decisions the spiking network agrees, after how many steps, at what cost."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dqn2snn._utils.arguments import Parser, positive_number
from dqn2snn.cli._arguments import RECIPE, add_conversion, add_dqn, add_plan
from dqn2snn.cli._files import check_picture, draw
from dqn2snn.cli._networks import check_conversion, convert_on, dqn_of, observations_of, snn_of
from dqn2snn.cli._parser import Commands
from dqn2snn.cli._report import Report

if TYPE_CHECKING:
    from dqn2snn.io.checkpoints import QNetwork
    from dqn2snn.network import SpikingQNetwork
    from dqn2snn.play.collect import Rollout

SWEPT = 128
"""Steps up to which a sweep goes, if nobody says how far."""


def add(commands: Commands[Parser]) -> None:
    """Add the command to a parser.

    Args:
        commands: The subparsers.
    """
    parser = commands.add_parser(
        "agree",
        help="measure agreement of DQN and spiking network on fresh observations",
        description="Measures how far a DQN and its spiking network agree on observations that served no calibration: "
        "action agreement after 1, 2, 4, ... T steps by both readouts, what disagreement costs, and operations.",
        allow_abbrev=False,
    )
    add_dqn(parser)
    add_plan(parser)
    parser.add_argument(
        "--test-observations",
        type=positive_number,
        default=2_000,
        metavar="N",
        help="fresh observations (2000)",
    )
    parser.add_argument(
        "--test-episodes",
        type=positive_number,
        default=20,
        metavar="N",
        help="from at least so many episodes (20)",
    )
    parser.add_argument(
        "--sweep",
        action="store_true",
        help=f"predict agreement without simulation, and print it beside what is measured, after 1, 2, 4, ... T steps "
        f"({SWEPT}), converting for each",
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw agreement over T: .png, .pdf or .svg")
    add_conversion(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> Report:
    """Measure agreement.

    Args:
        args: The arguments.

    Returns:
        Report: Agreement over the number of steps, and what goes with it.
    """
    if args.plot is not None:
        check_picture(args.plot)
    dqn = dqn_of(args)
    if args.sweep:
        return _sweep(args, dqn)
    snn = snn_of(args, dqn)
    from dqn2snn.play.study import study_agreement

    rollout = _fresh(args, dqn)
    study = study_agreement(snn, rollout)
    if args.plot is not None:
        import dqn2snn

        draw(dqn2snn.plot_agreement(study.curve), args.plot)
    data = {
        "agent": dqn.name,
        "env_id": dqn.env_id,
        "recipe": snn.plan.recipe,
        "num_steps": snn.plan.num_steps,
        "backend": snn.backend,
        "engine": snn.engine,
        "seed": args.seed,
        **study.to_dict(),
    }
    return Report(data, f"{dqn.name}: {snn.plan.headline}\n{study}")


def _sweep(args: argparse.Namespace, dqn: QNetwork) -> Report:
    """Prediction beside measurement."""
    from dqn2snn.analysis.suggestion import sweep_agreement
    from dqn2snn.play.study import doubling_steps

    if args.plan is not None:
        planned = snn_of(args, dqn)
        recipe, last = planned.plan.recipe, planned.plan.num_steps

        def make(num_steps: int) -> SpikingQNetwork:
            return planned
    else:
        check_conversion(args)
        observations = observations_of(args, dqn)
        recipe, last = str(args.recipe or RECIPE), args.steps or SWEPT

        def make(num_steps: int) -> SpikingQNetwork:
            return convert_on(args, dqn, observations, num_steps)

    rollout = _fresh(args, dqn)
    sweep = sweep_agreement(
        make,
        rollout.observations,
        rollout.q,
        doubling_steps(last),
        episode_ids=rollout.episode_ids,
    )
    if args.plot is not None:
        from dqn2snn.plot import plot_sweep

        draw(plot_sweep(sweep), args.plot)
    head = (
        f"{dqn.name}, {recipe}: agreement on {len(rollout.observations):,} fresh observations; 95 % intervals"
    )
    data = {
        "agent": dqn.name,
        "env_id": dqn.env_id,
        "recipe": recipe,
        "seed": args.seed,
        "sweep": sweep.to_dict(),
    }
    return Report(data, f"{head}\n\n{sweep}")


def _fresh(args: argparse.Namespace, dqn: QNetwork) -> Rollout:
    from dqn2snn.play.study import fresh_rollout

    return fresh_rollout(dqn, args.test_observations, seed=args.seed, min_episodes=args.test_episodes)
