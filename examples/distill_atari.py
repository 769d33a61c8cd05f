"""Teach another body what a trained Atari agent knows: a Nature network from a smaller one, in half an hour.

    python examples/distill_atari.py zoo/atari/krull --body nature --out runs/krull_nature

regresses the quantiles of a new network on those of the checkpoint in `zoo/atari/krull`, over frames of games that the
two play side by side, and writes

* `checkpoint.safetensors` and `checkpoint.json` as `train_atari.py` does, with the score of 16 games;
* `curve.jsonl`: loss, agreement with the teacher, raw scores of the student's last 30 games.

    python examples/train_atari.py Krull --body nature --init runs/krull_nature --out runs/krull_nature
    python examples/export_atari.py runs/krull_nature

train it further, and make an agent of it.

Ctrl-C ends early, and writes what has been learned so far.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch

from atari.curve import write_curve
from atari.distillation import Lesson, distil
from atari.evaluation import EPSILON, scores_of
from atari.export import read_export, score_of, write_export
from atari.messages import one_line
from atari.network import SCREEN_BODIES, QuantileNetwork, averaged
from atari.stopping import stopping

EVALUATION_SEED = 10_000  # far from the seeds of the training games


def main() -> None:
    """Distil, score and write."""
    parser = argparse.ArgumentParser(description="Teach another body what a trained Atari agent knows.")
    parser.add_argument("teacher", type=Path, help="directory of a checkpoint, such as zoo/atari/krull")
    parser.add_argument("--out", type=Path, required=True, help="directory of the new one")
    parser.add_argument("--body", choices=SCREEN_BODIES, default="nature", help="(nature)")
    parser.add_argument("--updates", type=int, default=Lesson.updates, help=f"({Lesson.updates})")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop earlier")
    parser.add_argument("--episodes", type=int, default=16, help="games of the score (16)")
    parser.add_argument("--threads", type=int, default=1, help="of torch (1)")
    args = parser.parse_args()
    if args.episodes < 1:
        parser.error(f"Expected --episodes of 1 or more. Found {args.episodes}.")
    torch.set_num_threads(args.threads)
    teacher, description = read_export(args.teacher)
    lesson, began = Lesson(updates=args.updates), time.perf_counter()
    args.out.mkdir(parents=True, exist_ok=True)  # fails now, if at all
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(lesson.seed)
        student = QuantileNetwork(args.body, teacher.actions, teacher.quantiles)
    with stopping(args.minutes) as stop:
        taught = distil(teacher, student, description["game"], lesson, stop)
    steps, before = description["steps"], description["training"].get("wall_seconds") or 0.0
    rounded = averaged(copy.deepcopy(student).half().float())
    scores = scores_of(rounded, description["game"], args.episodes, EVALUATION_SEED)
    description |= {
        "body": args.body,
        "steps": steps + taught.steps,
        "score": score_of(scores, EPSILON),
        "training": {
            **description["training"],
            "body": args.body,
            "wall_seconds": round(before + time.perf_counter() - began, 1),
            "distilled": {
                **asdict(replace(lesson, updates=taught.updates)),
                "from": description["body"],
                "steps": taught.steps,
            },
        },
    }
    write_export(args.out, student, description)
    write_curve(args.out, [point | {"step": steps + point["step"]} for point in taught.curve])
    print(f"{description['game']}: mean score {sum(scores) / len(scores):,.1f}, saved to {args.out}")


if __name__ == "__main__":
    with one_line():
        main()
