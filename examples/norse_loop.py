"""A trained DQN becomes a network of Norse cells, run in a loop of your own.

    pip install "dqn2snn[gym]" && pip install --no-deps norse && pip install nir nirtorch
    python examples/norse_loop.py

dqn2snn emits the cells and gives the readout; the environment, the loop over time and the decision are yours.
"""

from __future__ import annotations

import gymnasium
import torch

import dqn2snn
from dqn2snn.dynamics.readout import RobustSlope

NUM_STEPS = 32

dqn = dqn2snn.load_q_network("cartpole")
observations = dqn2snn.collect_observations(dqn, 2_000, seed=0)
snn = dqn2snn.convert(dqn, observations, num_steps=NUM_STEPS, backend="norse")

network = snn.network  # a norse.torch.SequentialState
readout = RobustSlope(threshold=network[-1].v_th, scale=snn.plan.readout_scale)
print(network)


def q_values(observation: torch.Tensor) -> torch.Tensor:
    """Present one observation `[4]` for all steps, and read the output neurons: `[2]`, in the DQN's units."""
    state, spikes, membranes = None, [], []
    for _ in range(NUM_STEPS):
        z, state = network(observation[None], state)
        spikes.append(z)
        membranes.append(state[-1].v)
    return readout(torch.stack(spikes), torch.stack(membranes))[0]


env = gymnasium.make(dqn.env_id)
seen, _ = env.reset(seed=0)
total, ended = 0.0, False
with torch.inference_mode():
    while not ended and total < 100:
        action = int(q_values(torch.as_tensor(seen)).argmax())
        seen, reward, terminated, truncated, _ = env.step(action)
        total, ended = total + float(reward), terminated or truncated
print(f"the Norse network balanced the pole for {total:.0f} steps")
