"""Train a deep Q-network with Stable-Baselines3 and save it as an agent of the zoo.

    python examples/train_sb3.py CartPole-v1 --out runs/cartpole

writes `runs/cartpole/agent` (read it with `load_q_network`) and the learning curve `curve.jsonl`,
in 2 to 15 minutes on one core.

The hyper-parameters are near those of RL Zoo, with smaller networks and a learning rate that falls to zero.
CartPole has a discount of 0.98 and slower target updates besides, since the Q-values of its two actions
must differ by more than the error of rounding the weights.

Every few thousand steps the network, rounded to half precision, plays 20 greedy episodes. The one that
played best is kept, and scored on 100 episodes with other seeds.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import stable_baselines3
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.callbacks import BaseCallback
from torch import nn
from tqdm.auto import tqdm

from dqn2snn import evaluate_policy, make_env, zoo
from dqn2snn.play.envs import spaces_of
from dqn2snn.play.evaluate import Evaluation

VALIDATION_SEED, VALIDATION_EPISODES = 1_000_000, 20
EVALUATION_SEED, EVALUATION_EPISODES = 10_000, 100


@dataclass(frozen=True)
class Preset:
    """Hyper-parameters of one environment, under Stable-Baselines3's names."""

    total_timesteps: int
    eval_every: int
    net_arch: tuple[int, ...]
    learning_rate: float  # at the start; it falls to zero in a line
    batch_size: int
    buffer_size: int
    gradient_steps: int
    gamma: float
    exploration_fraction: float
    exploration_final_eps: float
    learning_starts: int = 1_000
    target_update_interval: int = 250
    train_freq: int = 4


PRESETS = {
    "CartPole-v1": Preset(
        total_timesteps=100_000,
        eval_every=5_000,
        net_arch=(64, 64),
        learning_rate=1e-3,
        batch_size=64,
        buffer_size=100_000,
        gradient_steps=2,
        gamma=0.98,
        exploration_fraction=0.16,
        exploration_final_eps=0.04,
    ),
    "Acrobot-v1": Preset(
        total_timesteps=100_000,
        eval_every=5_000,
        net_arch=(128, 128),
        learning_rate=6.3e-4,
        batch_size=128,
        buffer_size=50_000,
        gradient_steps=4,
        gamma=0.99,
        exploration_fraction=0.12,
        exploration_final_eps=0.1,
    ),
    "MountainCar-v0": Preset(
        total_timesteps=150_000,
        eval_every=5_000,
        net_arch=(128, 128),
        learning_rate=4e-3,
        batch_size=128,
        buffer_size=10_000,
        gradient_steps=8,
        gamma=0.98,
        exploration_fraction=0.2,
        exploration_final_eps=0.07,
        target_update_interval=600,
        train_freq=16,
    ),
    "LunarLander-v3": Preset(
        total_timesteps=300_000,
        eval_every=10_000,
        net_arch=(128, 128),
        learning_rate=6.3e-4,
        batch_size=128,
        buffer_size=100_000,
        gradient_steps=2,
        gamma=0.99,
        exploration_fraction=0.12,
        exploration_final_eps=0.05,
    ),
}


class KeepBest(BaseCallback):
    """Plays now and then, and keeps the network that played best."""

    def __init__(self, env_id: str, every: int, curve: Path) -> None:
        super().__init__()
        self.env_id, self.every, self.curve = env_id, every, curve
        self.best = nn.Sequential()
        self.best_return, self.best_step = float("-inf"), 0

    def _on_training_start(self) -> None:
        self.bar = tqdm(total=self.locals["total_timesteps"], unit="step", unit_scale=True)
        self.curve.write_text("")

    def _on_step(self) -> bool:
        self.bar.update()
        if self.num_timesteps % self.every == 0:
            self._validate()
        return True

    def _validate(self) -> None:
        assert isinstance(self.model, DQN)
        network = zoo.round_to_half(self.model.q_net.q_net)
        mean = play(network, self.env_id, VALIDATION_EPISODES, VALIDATION_SEED).interval.mean
        if mean >= self.best_return:
            self.best, self.best_return, self.best_step = network, mean, self.num_timesteps
        self.bar.set_postfix_str(f"return {mean:.1f}, best {self.best_return:.1f}")
        with self.curve.open("a") as file:
            file.write(json.dumps({"step": self.num_timesteps, "return": mean}) + "\n")

    def _on_training_end(self) -> None:
        self.bar.close()


def play(network: nn.Sequential, env_id: str, episodes: int, seed: int) -> Evaluation:
    """Score a network in greedy episodes, all at a time."""
    return evaluate_policy(network, env_id, episodes=episodes, seed=seed, num_envs=episodes, progress=False)


def train(env_id: str, preset: Preset, seed: int, curve: Path) -> tuple[nn.Sequential, zoo.Training]:
    """Train and return the best network, rounded, with the record of how it came about."""
    options = asdict(preset)
    total_timesteps, eval_every = options.pop("total_timesteps"), options.pop("eval_every")
    options["policy_kwargs"] = {"net_arch": list(options.pop("net_arch"))}
    options["learning_rate"] = lambda remaining: preset.learning_rate * remaining
    model = DQN("MlpPolicy", make_env(env_id), seed=seed, device="cpu", **options)
    keep_best = KeepBest(env_id, min(eval_every, total_timesteps), curve)
    started = time.perf_counter()
    model.learn(total_timesteps, callback=keep_best)
    training: zoo.Training = {
        "algorithm": "DQN (Mnih et al., 2015)",
        "library": f"stable-baselines3 {stable_baselines3.__version__}, by examples/train_sb3.py",
        "total_steps": total_timesteps,
        "wall_seconds": round(time.perf_counter() - started, 1),
        "seed": seed,
        "hyperparameters": asdict(preset) | {"learning_rate_end": 0.0, "best_step": keep_best.best_step},
    }
    return keep_best.best, training


def main() -> None:
    """Train, score, save."""
    parser = argparse.ArgumentParser(description="Train a DQN with Stable-Baselines3.")
    parser.add_argument("env_id", choices=sorted(PRESETS))
    parser.add_argument("--out", type=Path, required=True, help="directory of the run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--total-timesteps", type=int, help="instead of the preset's")
    args = parser.parse_args()
    torch.set_num_threads(1)  # small networks: more threads only wait for each other
    args.out.mkdir(parents=True, exist_ok=True)
    preset = PRESETS[args.env_id]
    preset = replace(preset, total_timesteps=args.total_timesteps or preset.total_timesteps)
    network, training = train(args.env_id, preset, args.seed, args.out / "curve.jsonl")
    evaluation = play(network, args.env_id, EVALUATION_EPISODES, EVALUATION_SEED)
    zoo.save_agent(
        args.out / "agent",
        network,
        name=args.env_id.partition("-")[0].lower(),
        env=args.env_id,
        observation_shape=spaces_of(make_env(args.env_id)).observation_shape,
        training=training,
        evaluation=zoo.score_of(evaluation),
    )
    print(f"{args.env_id}: mean return {evaluation.interval}, saved to {args.out / 'agent'}")


if __name__ == "__main__":
    main()
