"""A trained DQN becomes a network of snnTorch neurons, and plays.

    pip install "dqn2snn[gym]"
    python examples/quickstart.py

Takes a few seconds.
"""

from __future__ import annotations

import dqn2snn

# Any torch module made of ReLUs and linear or convolutional layers will do.
dqn = dqn2snn.load_q_network("acrobot")
observations = dqn2snn.collect_observations(dqn, 2_000, seed=0)

snn = dqn2snn.convert(dqn, observations, recipe="tan2021", num_steps=200, backend="snntorch")
print(snn.summary(observations[:100]))
print(snn.network)  # ordinary modules of torch and snnTorch

q = snn(observations[:3])
print("Q-values of the SNN:", q, "and of the DQN:", dqn(observations[:3]), sep="\n")

result = dqn2snn.compare_policies(dqn, snn, episodes=10, epsilon=0.05)
print(f"mean return of the DQN {result.dqn.interval}, of the SNN {result.snn.interval}")
print(f"same action in {result.agreement} of {result.agreement.count:,} decisions")
