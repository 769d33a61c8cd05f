"""A spiking network that remembers, in control loops of your own: one in snnTorch and one in Norse.

    pip install "dqn2snn[gym]" && pip install --no-deps norse && pip install nir nirtorch
    python examples/streaming_loop.py

The recipe sigma_delta makes a network that is shown how an observation has changed, and whose neurons send how their
levels change. Its state lasts from one decision to the next, so that a few steps are enough for each. Three
environments are played side by side; where an episode ends, one row of the state begins anew.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from norse.torch import Lift
from torch import Tensor

import dqn2snn
from dqn2snn.neurons.norse import reset_rows, to_norse
from dqn2snn.neurons.snntorch import to_snntorch

DECISIONS = 100
ENVIRONMENTS = 3

dqn = dqn2snn.load_q_network("cartpole")
observations = dqn2snn.collect_observations(dqn, 2_000, seed=0)
plan = dqn2snn.convert(dqn, observations, recipe="sigma_delta", num_steps=4).plan

Policy = Callable[[Tensor, Tensor], Tensor]
"""From observations `[B, 4]`, and where an episode begins `[B]`, to Q-values `[B, 2]`."""


def steps(episode_start: Tensor) -> int:
    """A network at rest takes longer to settle. The others, which have settled, may go on with it: they stay."""
    return plan.num_steps + (plan.warmup_steps if bool(episode_start.any()) else 0)


def with_snntorch() -> Policy:
    """The state is handed in and out; `episode_start` says in which rows it is at rest."""
    network, state = to_snntorch(plan), None
    output = network.output

    def q_values(observations: Tensor, episode_start: Tensor) -> Tensor:
        nonlocal state
        _, _, state = network.present(observations, state, episode_start, steps(episode_start))
        count, mem = state[-1]
        return plan.readout_scale * (count + (mem + output.v_init) / output.threshold)

    return q_values


def with_norse() -> Policy:
    """The same with a SequentialState, lifted over time."""
    network, state = to_norse(plan), None

    def q_values(observations: Tensor, episode_start: Tensor) -> Tensor:
        nonlocal state
        if state is not None:
            state = reset_rows(network, state, episode_start)
        _, state = Lift(network)((observations.expand(steps(episode_start), *observations.shape), state))
        return plan.readout_scale * (state[-1].n + state[-1].v / network[-1].v_th)

    return q_values


def play(q_values: Policy) -> tuple[list[int], float]:
    """Actions that were taken, and the sum of all rewards."""
    envs = [dqn2snn.make_env(dqn.env_id) for _ in range(ENVIRONMENTS)]
    seen = [torch.as_tensor(env.reset(seed=i)[0]) for i, env in enumerate(envs)]
    episode_start = torch.ones(ENVIRONMENTS, dtype=torch.bool)
    actions: list[int] = []
    total = 0.0
    for _ in range(DECISIONS):
        chosen = q_values(torch.stack(seen), episode_start).argmax(dim=1).tolist()
        for i, (env, action) in enumerate(zip(envs, chosen, strict=True)):
            after, reward, terminated, truncated, _ = env.step(action)
            episode_start[i] = terminated or truncated
            seen[i] = torch.as_tensor(env.reset()[0] if episode_start[i] else after)
            total += float(reward)
        actions += chosen
    return actions, total


with torch.inference_mode():
    played = {name: play(policy()) for name, policy in (("snnTorch", with_snntorch), ("Norse", with_norse))}
for name, (_, total) in played.items():
    print(
        f"the network in {name} balanced {ENVIRONMENTS} poles for {total:.0f} steps of {DECISIONS * ENVIRONMENTS}"
    )
assert played["snnTorch"] == played["Norse"]
