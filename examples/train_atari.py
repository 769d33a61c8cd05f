"""Train a deep Q-network on an Atari game on one core, for hours or for minutes at a time.

    python examples/train_atari.py RoadRunner --out runs/road_runner --minutes 150

writes to `runs/road_runner`:

* `training.safetensors`, every three minutes: the same command goes on from it, also after it was killed.
* `curve.jsonl`: raw scores of the last 30 whole games, loss, Q-values, steps a second.
* `checkpoint.safetensors` and `checkpoint.json`, at the end: the network that played best, in half precision.
  `--init runs/road_runner` begins another training from it, and its learning curve goes on.

The algorithm is QR-DQN, quantile regression (Dabney et al., 2018, arXiv 1710.10044), with returns over three steps
and double targets. The mean over quantiles is linear, so averaging the rows of the head gives a plain DQN with the
same Q-values, `atari.network.averaged`: a row of convolutions, linear layers and ReLUs that can be made to spike.
`--priority-exponent 0.5` replays what is not yet predicted more often (Schaul et al., 2016, arXiv 1511.05952).
`--body ram` sees the console's memory instead of frames: a teacher for `distill_atari.py`.

Ctrl-C saves and ends. Learning takes most of the time: `--batch-size 32` gives half as many steps a second again.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import math
from pathlib import Path

import torch

from atari.curve import read_curve
from atari.evaluation import EPSILON, scores_of
from atari.export import read_export, score_of, write_export
from atari.messages import one_line
from atari.network import BODIES, averaged
from atari.settings import Settings
from atari.stopping import stopping
from atari.trainer import Trainer
from atari.training import CHECKPOINT, train

EVALUATION_SEED = 10_000  # far from the seeds of the training games


def parse() -> tuple[argparse.Namespace, Settings]:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Train a deep Q-network on an Atari game with n-step QR-DQN.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("game", help="for example RoadRunner")
    parser.add_argument("--out", type=Path, required=True, help="directory of the run")
    parser.add_argument("--steps", type=int, default=2_000_000, help="in all; four frames each")
    parser.add_argument("--minutes", type=float, default=math.inf, help="for this time")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--resume", type=Path, metavar="RUN", help="go on from the checkpoint of another run")
    start.add_argument(
        "--init", type=Path, metavar="DIR", help="begin from a network such as zoo/atari/krull"
    )
    parser.add_argument(
        "--export", action="store_true", help="do not train: score the best network and export it"
    )
    parser.add_argument("--episodes", type=int, default=16, help="whole games that --export plays")
    options = parser.add_argument_group("how to train")
    for option in dataclasses.fields(Settings):
        name = "--" + option.name.replace("_", "-")
        choices = tuple(BODIES) if option.name == "body" else None
        options.add_argument(
            name, type=type(option.default), default=option.default, choices=choices, help=" "
        )
    args = parser.parse_args()
    return args, Settings(
        **{option.name: getattr(args, option.name) for option in dataclasses.fields(Settings)}
    )


def begin(args: argparse.Namespace, settings: Settings) -> Trainer:
    """Go on from the checkpoint of the run, else from what the options say, else begin anew."""
    trainer = Trainer(args.game, settings)
    if (args.out / CHECKPOINT).exists() or args.export:
        trainer.restore(args.out / CHECKPOINT)
    elif args.resume:
        trainer.restore(args.resume / CHECKPOINT if args.resume.is_dir() else args.resume)
    elif args.init:
        trainer.begin_from(*read_export(args.init), read_curve(args.init))
    return trainer


def export(trainer: Trainer, out: Path, episodes: int) -> str:
    """Write the best network; with episodes, score it first. Return a line about it."""
    network, description = trainer.result()
    if episodes:
        rounded = copy.deepcopy(network).half().float()
        play = type(trainer.games)
        scores = scores_of(averaged(rounded), trainer.game, episodes, EVALUATION_SEED, play=play)
        description["score"] = score_of(scores, EPSILON)
    write_export(out, network, description)
    score = description["score"]
    played = f"mean score {score['mean']:,.1f} in {score['episodes']} games" if score else "no whole game yet"
    return f"{trainer.game} after {description['steps']:,} steps: {played}, saved to {out}"


def main() -> None:
    """Train and export."""
    args, settings = parse()
    torch.set_num_threads(args.threads)  # small networks: more threads mostly wait for each other
    trainer = begin(args, settings)
    if not args.export:
        with stopping(args.minutes) as stop:
            train(trainer, args.out, steps=args.steps, stop=stop)
    print(export(trainer, args.out, args.episodes if args.export else 0))


if __name__ == "__main__":
    with one_line():
        main()
