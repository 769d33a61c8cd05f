"""A trained DQN becomes a network of snnTorch neurons, and plays.

    pip install "dqn2snn[gym]"
    python examples/quickstart.py

Takes a few seconds.
"""

from __future__ import annotations

import dqn2snn

agent = dqn2snn.zoo.load(
    "acrobot"
)  # any torch module made of ReLUs and linear or convolutional layers will do
observations = dqn2snn.collect_observations(agent.env_id, agent.network, 2_000, seed=0)

snn = dqn2snn.convert(agent.network, observations, recipe="tan2021", num_steps=200, backend="snntorch")
print(snn.summary(observations[:100]))
print(snn.network)  # ordinary modules of torch and snnTorch

q = snn(observations[:3])
print("Q-values of the SNN:", q, "and of the DQN:", agent.network(observations[:3]), sep="\n")

result = dqn2snn.compare_policies(agent.network, snn, agent.env_id, episodes=10, epsilon=0.05)
print(f"mean return of the DQN {result.dqn.interval}, of the SNN {result.snn.interval}")
print(f"same action in {result.agreement} of {result.agreement.count:,} decisions")
