"""`dqn2snn diagnose`: where the error of a spiking network's decisions comes from."""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from dqn2snn._utils.arguments import Parser, positive_number
from dqn2snn.cli._arguments import add_conversion, add_dqn, add_plan
from dqn2snn.cli._files import check_picture, draw
from dqn2snn.cli._networks import dqn_of, snn_of
from dqn2snn.cli._parser import Commands
from dqn2snn.cli._report import Report

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from dqn2snn.io.checkpoints import QNetwork


def add(commands: Commands[Parser]) -> None:
    """Add the command to a parser.

    Args:
        commands: The subparsers.
    """
    parser = commands.add_parser(
        "diagnose",
        help="say where the error of a spiking network comes from, and what to change",
        description="Takes the error of decisions apart: how much of it each layer adds by clipping, "
        "quantisation and unevenness, which neurons are clipped or silent, which decisions differ, and what to change.",
        allow_abbrev=False,
    )
    add_dqn(parser)
    add_plan(parser)
    parser.add_argument(
        "--test-observations",
        type=positive_number,
        default=500,
        metavar="N",
        help="fresh observations (500)",
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the shares: .png, .pdf or .svg")
    add_conversion(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> Report:
    """Diagnose.

    Args:
        args: The arguments.

    Returns:
        Report: The shares of the error, and what to change.
    """
    if args.plot is not None:
        check_picture(args.plot)
    dqn = dqn_of(args)
    snn = snn_of(args, dqn)
    from dqn2snn.analysis.diagnosis import diagnose

    if snn.plan.coding.persistent:
        observations, episodes = _in_order(dqn, args.test_observations, args.seed)
    else:
        from dqn2snn.play.study import fresh_rollout

        rollout = fresh_rollout(dqn, args.test_observations, seed=args.seed)
        observations, episodes = rollout.observations, rollout.episode_ids
    diagnosis = diagnose(dqn, snn, observations, episode_ids=episodes)
    if args.plot is not None:
        from dqn2snn.plot import plot_diagnosis

        draw(plot_diagnosis(diagnosis), args.plot)
    data = {"agent": dqn.name, "env_id": dqn.env_id, "seed": args.seed, **diagnosis.to_dict()}
    return Report(data, f"{dqn.name}: {diagnosis}")


def _in_order(dqn: QNetwork, count: int, seed: int) -> tuple[Tensor, NDArray[np.int64]]:
    """Observations as they follow each other, for networks that remember."""
    import numpy as np
    import torch

    from dqn2snn.play.rollout import play
    from dqn2snn.play.study import FRESH_SEED

    steps = play(
        lambda x, _: (dqn(x),),
        dqn.env_id,
        episode_ids=itertools.count(),
        seed=seed + FRESH_SEED,
        num_envs=1,
    )
    taken = list(itertools.islice(steps, count))
    steps.close()
    observations = torch.from_numpy(np.concatenate([step.observations for step in taken])).float()
    return observations, np.concatenate([step.episode_ids for step in taken])
