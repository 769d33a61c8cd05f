"""`dqn2snn agree`: on how many decisions the spiking network agrees, after how many steps, at what cost."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, cast

from dqn2snn.cli._files import check_directory, replacing
from dqn2snn.cli._networks import add_agent, add_conversion, add_plan, agent_of, spiking_network_of
from dqn2snn.cli._parser import Commands, Parser, positive_number
from dqn2snn.cli._report import Report
from dqn2snn.errors import ArgumentError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dqn2snn.metrics import AgreementCurve
    from dqn2snn.study import AgreementStudy

__all__ = ["add", "run"]

PICTURES = (".png", ".pdf", ".svg")


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
    add_agent(parser)
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
        _check_picture(args.plot)
    agent = agent_of(args.agent)
    snn = spiking_network_of(args, agent)
    from dqn2snn.study import fresh_rollout, study_agreement

    rollout = fresh_rollout(
        agent.env_id, agent.network, args.test_observations, seed=args.seed, episodes=args.test_episodes
    )
    study = study_agreement(snn, rollout)
    if args.plot is not None:
        _draw(study.curve, args.plot)
    data = {
        "agent": agent.name,
        "env_id": agent.env_id,
        "recipe": snn.plan.recipe,
        "num_steps": snn.plan.num_steps,
        "backend": snn.backend,
        "engine": snn.engine,
        "seed": args.seed,
        **study.to_dict(),
    }
    return Report(data, f"{agent.name}: {snn.plan.headline}\n{_text(study)}")


def _text(study: AgreementStudy) -> str:
    from dqn2snn.table import format_table

    curve, cost = study.curve, study.operations
    rows = [
        [str(step), str(robust), str(spike_count)]
        for step, robust, spike_count in zip(curve.steps, curve.robust, curve.spike_count, strict=True)
    ]
    return f"""\
{study.observations:,} fresh observations of {study.episodes} episodes; 95 % intervals, clustered by episode

{format_table(["steps", "agreement, robust rate", "agreement, spike count"], rows)}

By the robust rate after {curve.steps[-1]} steps:
gap-weighted agreement  {study.gap_weighted_agreement}
regret                  {study.regret}, {100 * study.relative_regret.mean:.3g} % of the range of the Q-values
error of centred Q      {study.q_error}, {100 * study.relative_q_error.mean:.3g} % of their size
operations a decision   {cost.synaptic_operations:,.0f} synaptic and {cost.input_macs:,} multiply-accumulates, \
{cost.operations_ratio:.3g} times the {cost.dqn_macs:,} multiply-accumulates of the DQN"""


def _check_picture(path: Path) -> None:
    if path.suffix not in PICTURES:
        raise ArgumentError(f"Expected a picture that ends in {', '.join(PICTURES)}. Found {str(path)!r}.")
    check_directory(path)
    from dqn2snn._extras import require

    require("matplotlib", extra="plot")


def _draw(curve: AgreementCurve, path: Path) -> None:
    import dqn2snn

    figure = cast("Figure", dqn2snn.plot_agreement(curve).figure)
    with replacing(path) as part:
        figure.savefig(part)
