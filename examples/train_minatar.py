"""Train a deep Q-network on a MinAtar game in minutes on one core, and save it as an agent of the zoo.

    python examples/train_minatar.py freeway --out runs/freeway

writes `runs/freeway/agent` (read it with `load_q_network`), the learning curve `curve.jsonl`, and
`checkpoint.safetensors`, from which the same command resumes after an interruption.

The algorithm is PQN, parallel Q-learning (Gallici et al., 2024, arXiv 2407.04811): many games side by side
take the place of the replay buffer, and lambda returns that of the target network,

    G_t = r_t + gamma (1 - d_t) [lambda G_{t+1} + (1 - lambda) max_a Q(s_{t+1}, a)].

The paper's LayerNorm is left out. It depends on its input, so it cannot be folded into weights, and a
network that is to spike should hold plain layers and ReLUs only.

On Freeway a reward is rare: with some seeds (0 is one) none is met while the agent explores, and the return
stays at 0. Take another seed then.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from dqn2snn import evaluate_policy, make_env, zoo
from dqn2snn.errors import ArgumentError
from dqn2snn.play.envs import Spaces, spaces_of

GAMES = {
    "asterix": "MinAtar/Asterix-v0",
    "breakout": "MinAtar/Breakout-v0",
    "freeway": "MinAtar/Freeway-v0",
    "seaquest": "MinAtar/Seaquest-v0",
    "space_invaders": "MinAtar/SpaceInvaders-v0",
}
SAVE_EVERY = 16  # updates between two points of the curve, each with a checkpoint
EVALUATION_SEED = 10_000  # far from the seeds of the training games
MAX_EPISODE_STEPS = 5_000  # in the evaluation


@dataclass(frozen=True)
class Args:
    """Hyper-parameters; each is an option of the command line."""

    total_steps: int = 1_000_000
    seed: int = 1
    num_envs: int = 64
    rollout_steps: int = 32
    minibatch_size: int = 128
    epochs: int = 2
    learning_rate: float = 5e-4
    learning_rate_end: float = 2.5e-5
    gamma: float = 0.99
    trace_decay: float = 0.65  # lambda
    epsilon_end: float = 0.02
    exploration_fraction: float = 0.15  # of the steps, in which epsilon falls from 1 to its end
    max_grad_norm: float = 10.0
    eval_episodes: int = 100

    def epsilon(self, step: int) -> float:
        """Return the probability of a random action after so many steps."""
        return max(self.epsilon_end, 1.0 - step / (self.exploration_fraction * self.total_steps))

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate after so many steps."""
        return max(self.learning_rate_end, self.learning_rate * (1.0 - step / self.total_steps))


@dataclass
class Progress:
    """How far the training is: what a checkpoint keeps beside the tensors."""

    step: int = 0
    wall_seconds: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Rollout:
    """Some steps of all games, time first: ``[T, N, ...]``."""

    observations: NDArray[np.float32]
    actions: NDArray[np.int64]
    rewards: NDArray[np.float32]
    dones: NDArray[np.float32]
    next_values: NDArray[np.float32]  # max_a Q(s_{t+1}, a)


class Games:
    """Copies of one game that start again whenever they end."""

    def __init__(self, env_id: str, count: int, seed: int) -> None:
        self.envs = [make_env(env_id) for _ in range(count)]
        self.spaces = spaces_of(self.envs[0])
        self.observations = np.stack([env.reset(seed=seed + i)[0] for i, env in enumerate(self.envs)])
        self.recent: deque[float] = deque(maxlen=100)
        self._returns = np.zeros(count)

    def step(self, actions: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Play one step in every game and return the rewards and whether the game ended, ``[N]`` each."""
        rewards, dones = np.zeros((2, len(self.envs)), np.float32)
        self.observations = np.empty_like(self.observations)
        for i, env in enumerate(self.envs):
            observation, reward, terminated, truncated, _ = env.step(int(actions[i]))
            rewards[i], dones[i] = reward, terminated or truncated
            self.observations[i] = env.reset()[0] if dones[i] else observation
        self._returns += rewards
        self.recent.extend(self._returns[dones == 1].tolist())
        self._returns[dones == 1] = 0.0
        return rewards, dones


class Trainer:
    """The network with its optimiser and its two streams of random numbers."""

    def __init__(self, args: Args, spaces: Spaces) -> None:
        self.args = args
        with torch.random.fork_rng():
            torch.manual_seed(args.seed)
            self.network = make_network(spaces)
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=args.learning_rate, eps=1e-5, fused=True
        )
        self.exploration = np.random.default_rng(args.seed)
        self.shuffling = torch.Generator().manual_seed(args.seed)

    @torch.no_grad()
    def play(self, games: Games, epsilon: float) -> Rollout:
        """Play epsilon-greedily."""
        observations, actions, rewards, dones, values = [], [], [], [], []
        for _ in range(self.args.rollout_steps):
            q = self.network(torch.from_numpy(games.observations)).numpy()
            random = self.exploration.random(len(q)) < epsilon
            action = np.where(random, self.exploration.integers(q.shape[1], size=len(q)), q.argmax(1))
            observations.append(games.observations)
            actions.append(action)
            values.append(q.max(1))
            reward, done = games.step(action)
            rewards.append(reward)
            dones.append(done)
        values.append(self.network(torch.from_numpy(games.observations)).numpy().max(1))
        return Rollout(
            np.stack(observations),
            np.stack(actions),
            np.stack(rewards),
            np.stack(dones),
            np.stack(values[1:]),
        )

    def learn(self, rollout: Rollout, learning_rate: float) -> float:
        """Fit the Q-values to the lambda returns, and return the mean loss."""
        self.optimizer.param_groups[0]["lr"] = learning_rate
        returns = lambda_returns(rollout, self.args.gamma, self.args.trace_decay)
        observations = torch.from_numpy(rollout.observations).flatten(0, 1)
        actions, targets = torch.from_numpy(rollout.actions).flatten(), torch.from_numpy(returns).flatten()
        losses = []
        for _ in range(self.args.epochs):
            order = torch.randperm(len(targets), generator=self.shuffling)
            for rows in torch.split(order, self.args.minibatch_size):
                q = self.network(observations[rows]).gather(1, actions[rows, None])[:, 0]
                loss = F.smooth_l1_loss(q, targets[rows])
                self.optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.network.parameters(), self.args.max_grad_norm)
                self.optimizer.step()
                losses.append(loss.item())
        return float(np.mean(losses))


def make_network(spaces: Spaces) -> nn.Sequential:
    """Make the network of the MinAtar paper (Young and Tian, 2019), for 10 x 10 cells."""
    return nn.Sequential(
        nn.Conv2d(spaces.observation_shape[0], 16, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * 8 * 8, 128),
        nn.ReLU(),
        nn.Linear(128, spaces.num_actions),
    )


def lambda_returns(rollout: Rollout, gamma: float, trace_decay: float) -> NDArray[np.float32]:
    """Compute G_t of the equation above by going back in time, ``[T, N]``."""
    returns = np.empty_like(rollout.rewards)
    following = rollout.next_values[-1]
    for t in reversed(range(len(returns))):
        mixed = trace_decay * following + (1.0 - trace_decay) * rollout.next_values[t]
        following = returns[t] = rollout.rewards[t] + gamma * (1.0 - rollout.dones[t]) * mixed
    return returns


def train(args: Args, env_id: str, out: Path) -> tuple[nn.Sequential, Progress]:
    """Train, or go on with a training that was interrupted."""
    games = Games(env_id, args.num_envs, args.seed)
    trainer = Trainer(args, games.spaces)
    progress = resume(out / "checkpoint.safetensors", trainer)
    started = time.perf_counter() - progress.wall_seconds
    update_steps = args.num_envs * args.rollout_steps
    with tqdm(total=args.total_steps, initial=progress.step, unit="step", unit_scale=True) as bar:
        while progress.step < args.total_steps:
            rollout = trainer.play(games, args.epsilon(progress.step))
            loss = trainer.learn(rollout, args.learning_rate_at(progress.step))
            progress.step += update_steps
            bar.update(update_steps)
            if progress.step % (SAVE_EVERY * update_steps) == 0 or progress.step >= args.total_steps:
                progress.wall_seconds = time.perf_counter() - started
                progress.curve.append(point(args, progress, loss, games.recent))
                bar.set_postfix(progress.curve[-1])
                save(out, trainer, progress)
    return trainer.network, progress


def point(args: Args, progress: Progress, loss: float, returns: Sequence[float]) -> dict[str, float]:
    """Make one point of the learning curve; it has a return once an episode has ended."""
    mean_return = {"return": round(float(np.mean(returns)), 2)} if returns else {}
    return mean_return | {
        "loss": round(loss, 5),
        "epsilon": round(args.epsilon(progress.step), 3),
        "step": progress.step,
        "wall_seconds": round(progress.wall_seconds, 1),
    }


def save(out: Path, trainer: Trainer, progress: Progress) -> None:
    """Write the checkpoint and the curve; each file is whole at any moment."""
    tensors = {f"network.{key}": tensor for key, tensor in trainer.network.state_dict().items()}
    tensors["shuffling"] = trainer.shuffling.get_state()
    for index, state in trainer.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": tensor for key, tensor in state.items()}
    state = {"progress": dataclasses.asdict(progress), "args": dataclasses.asdict(trainer.args)}
    state["exploration"] = trainer.exploration.bit_generator.state
    data = safetensors.torch.save(tensors, {"state": json.dumps(state)})
    replace(out / "checkpoint.safetensors", data)
    replace(out / "curve.jsonl", "".join(json.dumps(row) + "\n" for row in progress.curve).encode())


def replace(path: Path, data: bytes) -> None:
    """Write a file beside the old one, then put it in its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    os.replace(partial, path)


def resume(path: Path, trainer: Trainer) -> Progress:
    """Bring the trainer to where a checkpoint left it; the games themselves start afresh.

    Raises:
        ArgumentError: If the checkpoint was written under other options.
    """
    if not path.exists():
        return Progress()
    with safetensors.safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        state: dict[str, Any] = json.loads(file.metadata()["state"])
    if state["args"] != dataclasses.asdict(trainer.args):
        raise ArgumentError(
            f"Expected a checkpoint of the same options. Found {state['args']} in {path}. "
            "Give the same options, or another --out."
        )
    trainer.network.load_state_dict(within("network.", tensors))
    moments: dict[int, dict[str, Tensor]] = {}
    for key, tensor in within("optimizer.", tensors).items():
        index, _, name = key.partition(".")
        moments.setdefault(int(index), {})[name] = tensor
    trainer.optimizer.load_state_dict(trainer.optimizer.state_dict() | {"state": moments})
    trainer.shuffling.set_state(tensors["shuffling"])
    trainer.exploration.bit_generator.state = state["exploration"]
    return Progress(**state["progress"])


def within(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take the tensors whose name begins with the prefix, and drop it."""
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def parse() -> tuple[str, Path, Args]:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Train a deep Q-network on a MinAtar game with PQN.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("game", choices=sorted(GAMES))
    parser.add_argument("--out", type=Path, required=True, help="directory of the run")
    for option in dataclasses.fields(Args):
        name = "--" + option.name.replace("_", "-")
        parser.add_argument(name, type=type(option.default), default=option.default, help=" ")
    options = vars(parser.parse_args())
    return options.pop("game"), options.pop("out"), Args(**options)


def main() -> None:
    """Train, score, save."""
    game, out, args = parse()
    torch.set_num_threads(1)  # small networks: more threads only wait for each other
    env_id = GAMES[game]
    trained, progress = train(args, env_id, out)
    network = zoo.round_to_half(trained)
    evaluation = evaluate_policy(
        network,
        env_id,
        episodes=args.eval_episodes,
        seed=EVALUATION_SEED,
        num_envs=args.num_envs,
        max_episode_steps=MAX_EPISODE_STEPS,
    )
    zoo.save_agent(
        out / "agent",
        network,
        name=f"minatar-{game}",
        env=env_id,
        observation_shape=spaces_of(make_env(env_id)).observation_shape,
        training={
            "algorithm": "PQN (Gallici et al., 2024) without LayerNorm",
            "library": f"torch {torch.__version__}, by examples/train_minatar.py",
            "total_steps": progress.step,
            "wall_seconds": round(progress.wall_seconds, 1),
            "seed": args.seed,
            "hyperparameters": dataclasses.asdict(args),
        },
        evaluation=zoo.score_of(evaluation),
    )
    print(f"{env_id}: mean return {evaluation.interval}, saved to {out / 'agent'}")


if __name__ == "__main__":
    main()
