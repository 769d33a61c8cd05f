"""Playing and learning in turn, until it is time to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tqdm.auto import tqdm

from atari.curve import Meter, write_curve
from atari.trainer import Progress, Trainer

__all__ = ["CHECKPOINT", "train"]

CHECKPOINT = "training.safetensors"


def train(
    trainer: Trainer,
    out: Path,
    *,
    steps: int,
    stop: Callable[[], bool],
    save_seconds: float = 180.0,
    point_seconds: float = 30.0,
) -> None:
    """Train until so many steps are made, or it is time to stop; then save.

    Args:
        trainer: What to train; it goes on from where it is.
        out: Directory of the run, in which the checkpoint and the curve are kept.
        steps: Number of steps in all, with those before.
        stop: Asked after every step of all games.
        save_seconds: Time from one checkpoint to the next.
        point_seconds: Time from one point of the curve to the next.
    """
    if trainer.progress.step >= steps:
        return
    meter, saved = Meter(trainer.progress.step), time.perf_counter()
    with tqdm(total=steps, initial=trainer.progress.step, unit="step", unit_scale=True) as bar:
        while True:
            trainer.play(meter)
            trainer.learn(meter)
            bar.update(trainer.settings.num_envs)
            done = trainer.progress.step >= steps or stop()
            if done or time.perf_counter() - meter.since >= point_seconds:
                meter = _mark(trainer, out, meter)
                bar.set_postfix_str(_summary(trainer.progress))
            if done or time.perf_counter() - saved >= save_seconds:
                trainer.save(out / CHECKPOINT)
                saved = time.perf_counter()
            if done:
                return


def _mark(trainer: Trainer, out: Path, meter: Meter) -> Meter:
    progress = trainer.progress
    progress.curve.append(meter.point(progress.step, progress.recent, trainer.epsilon))
    following = Meter(progress.step)
    progress.wall_seconds += following.since - meter.since
    write_curve(out, progress.curve)
    return following


def _summary(progress: Progress) -> str:
    point = progress.curve[-1]
    shown = {"score": "score {:.1f}", "loss": "loss {:.4f}", "epsilon": "epsilon {:.2f}"}
    parts = [text.format(point[name]) for name, text in shown.items() if name in point]
    return ", ".join(parts + ([f"best {progress.best['mean']:.1f}"] if progress.best else []))
