"""A spiking network of your own in Norse copies a DQN's actions: no conversion, only readout, agreement and score.

    pip install "dqn2snn[gym]" && pip install --no-deps norse && pip install nir nirtorch
    python examples/train_norse.py

The network is a `SequentialState` of Norse's cells, trained to take the action that the DQN takes. Norse has no neuron
without leak whose reset subtracts, which a robust rate needs: the output is dqn2snn's. Half a minute on one core.
"""

from __future__ import annotations

import argparse

import norse.torch as norse
import torch
from torch import Tensor, nn
from tqdm.auto import trange

import dqn2snn
from dqn2snn.dynamics.readout import RobustRate
from dqn2snn.neurons.norse import IFCell


class SpikingNet(nn.Module):
    """Two layers of leaky cells, and an output without leak, whose robust rate is the answer."""

    def __init__(self, inputs: int, actions: int, hidden: int = 64, num_steps: int = 16) -> None:
        super().__init__()
        self.num_steps = num_steps
        leaky = norse.LIFBoxParameters(tau_mem_inv=torch.tensor(500.0))
        self.network = norse.SequentialState(
            nn.Linear(inputs, hidden),
            norse.LIFBoxCell(leaky),
            nn.Linear(hidden, hidden),
            norse.LIFBoxCell(leaky),
            nn.Linear(hidden, actions),
            IFCell(),
        )
        self.readout = RobustRate()

    def forward(self, observations: Tensor) -> Tensor:
        """Values `[B, A]` of observations `[B, inputs]`, presented at every step."""
        state, spikes, membranes = None, [], []
        for _ in range(self.num_steps):
            z, state = self.network(observations, state)
            spikes.append(z)
            membranes.append(state[-1].v)
        values: Tensor = self.readout(torch.stack(spikes), torch.stack(membranes))
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
        actions, q_unseen = teacher(seen).argmax(dim=1), teacher(unseen)

    net = SpikingNet(seen.shape[1], q_unseen.shape[1])
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    print(f"agreement before: {agreement(net, unseen, q_unseen):.3f}")
    for _ in trange(args.updates, desc="train"):
        rows = torch.randint(len(seen), (64,))
        loss = nn.functional.cross_entropy(net(seen[rows]), actions[rows])
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
