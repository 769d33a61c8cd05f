"""A spiking network of your own in snnTorch learns a DQN's Q-values: no conversion, only readout, agreement and score.

    pip install "dqn2snn[gym]"
    python examples/train_snntorch.py

The network and the training loop are those of snnTorch's tutorials. dqn2snn gives the teacher, a readout with real
numbers, and says how far the two agree. Half a minute on one core.
"""

from __future__ import annotations

import argparse

import snntorch as snn
import torch
from snntorch import surrogate
from torch import Tensor, nn
from tqdm.auto import trange

import dqn2snn
from dqn2snn.dynamics.readout import RobustRate


class SpikingNet(nn.Module):
    """Two layers of leaky neurons, and output neurons without leak, whose robust rate is the answer."""

    def __init__(self, inputs: int, actions: int, hidden: int = 64, num_steps: int = 16) -> None:
        super().__init__()
        self.num_steps = num_steps
        self.fc1, self.lif1 = nn.Linear(inputs, hidden), snn.Leaky(beta=0.8, spike_grad=surrogate.atan())
        self.fc2, self.lif2 = nn.Linear(hidden, hidden), snn.Leaky(beta=0.8, spike_grad=surrogate.atan())
        self.fc3, self.output = nn.Linear(hidden, actions), snn.Leaky(beta=1.0)
        self.readout = RobustRate(membrane="before_reset")  # where a stock snn.Leaky tells its membrane

    def forward(self, observations: Tensor) -> Tensor:
        """Values `[B, A]` of observations `[B, inputs]`, presented at every step."""
        mem1, mem2, mem3 = self.lif1.reset_mem(), self.lif2.reset_mem(), self.output.reset_mem()
        spk_rec, mem_rec = [], []
        for _ in range(self.num_steps):
            spk1, mem1 = self.lif1(self.fc1(observations), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spk3, mem3 = self.output(self.fc3(spk2), mem3)
            spk_rec.append(spk3)
            mem_rec.append(mem3)
        # snn.Leaky keeps gradients out of its reset, so the membrane alone has that of the mean current.
        values: Tensor = self.readout(torch.stack(spk_rec).detach(), torch.stack(mem_rec))
        return values


def main() -> None:
    """Train, and compare with the teacher."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--agent", default="cartpole", help="the teacher (cartpole)")
    parser.add_argument(
        "--observations", type=int, default=4_000, help="to learn from, and to test on (4000)"
    )
    parser.add_argument("--updates", type=int, default=600, help="steps of the optimizer (600)")
    parser.add_argument("--episodes", type=int, default=10, help="of the score (10)")
    args = parser.parse_args()

    torch.manual_seed(0)
    teacher = dqn2snn.load_q_network(args.agent)
    seen, unseen = (
        dqn2snn.collect_observations(teacher, args.observations, seed=seed, epsilon=0.2)
        for seed in (0, 1_000_000)
    )
    with torch.no_grad():
        q, q_unseen = teacher(seen), teacher(unseen)
    advantages = q - q.mean(dim=1, keepdim=True)  # what decides; in units of their spread
    targets = advantages / advantages.std()

    net = SpikingNet(seen.shape[1], q.shape[1])
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    print(f"agreement before: {agreement(net, unseen, q_unseen):.3f}")
    for _ in trange(args.updates, desc="train"):
        rows = torch.randint(len(seen), (64,))
        loss = nn.functional.smooth_l1_loss(net(seen[rows]), targets[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"agreement: {agreement(net, unseen, q_unseen):.3f}")
    score = dqn2snn.evaluate_policy(net, teacher.env_id, episodes=args.episodes, seed=0)
    print(f"return: {score.interval.mean:.1f}")


def agreement(net: nn.Module, observations: Tensor, q_teacher: Tensor) -> float:
    """Share of observations on which both choose the same action."""
    with torch.no_grad():
        return dqn2snn.action_agreement(q_teacher, net(observations))


if __name__ == "__main__":
    main()
