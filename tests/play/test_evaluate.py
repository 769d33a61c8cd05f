"""Scores and comparisons: one protocol for both networks, told in full, and reproducible."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from dqn2snn.errors import ArgumentError, EnvironmentMismatchError
from dqn2snn.metrics import ActionAgreement, GapWeightedAgreement, Regret
from dqn2snn.metrics.confidence import mean_interval, paired_interval, proportion_interval
from dqn2snn.network import SpikingQNetwork
from dqn2snn.play.envs import make_env
from dqn2snn.play.evaluate import compare_policies, evaluate_policy
from dqn2snn.play.rollout import play
from tests.agents import agent, plan


def lean(observations: Tensor) -> Tensor:
    """Push the cart to where the pole falls."""
    return (observations[:, 2:3] + observations[:, 3:4]) * observations.new_tensor([-1.0, 1.0])


def coarse(observations: Tensor) -> Tensor:
    """The same with Q-values that know only three sizes, as a spiking network of few steps has."""
    return lean(observations).mul(4).round().clamp(-1, 1)


@pytest.mark.parametrize("name", ["cartpole", "minatar-breakout"])
def test_the_scores_of_the_shipped_agents_come_out_again(name: str) -> None:
    trained = agent(name)
    score = trained.config["evaluation"]
    again = evaluate_policy(
        trained,
        episodes=10,
        seed=score["seed"],
        epsilon=score["epsilon"],
        max_episode_steps=score["max_steps"],
    )
    assert list(again.returns) == score["returns"][:10]


def test_scores_do_not_depend_on_how_many_episodes_run_at_a_time() -> None:
    one_by_one, together = (
        evaluate_policy(coarse, "CartPole-v1", episodes=12, epsilon=0.2, num_envs=n) for n in (1, 8)
    )
    assert one_by_one == together
    assert len(set(together.returns)) > 1


def test_returns_and_lengths_are_those_of_plain_gymnasium() -> None:
    trained = agent("minatar-breakout")
    env = make_env(trained.env_id)
    returns: list[float] = []
    lengths: list[int] = []
    for episode in range(5):
        observation, _ = env.reset(seed=70 + episode)
        rewards: list[float] = []
        done = False
        while not done:
            action = trained(torch.from_numpy(observation)[None]).argmax().item()
            observation, reward, terminated, truncated, _ = env.step(action)
            rewards.append(float(reward))
            done = terminated or truncated
        returns.append(sum(rewards))
        lengths.append(len(rewards))
    evaluation = evaluate_policy(trained, episodes=5, seed=70)
    assert evaluation.returns == tuple(returns)
    assert evaluation.lengths == tuple(lengths)
    assert evaluation.interval == mean_interval(returns)


def test_truncated_episodes_are_scored_as_far_as_they_went() -> None:
    evaluation = evaluate_policy(lean, "CartPole-v1", episodes=3, max_episode_steps=11)
    assert evaluation.returns == (11.0, 11.0, 11.0)
    assert evaluation.lengths == (11, 11, 11)
    assert evaluation.max_episode_steps == 11


@pytest.mark.parametrize("driver", ["snn", "dqn"])
def test_a_comparison_is_two_evaluations_and_an_agreement(driver: Literal["dqn", "snn"]) -> None:
    comparison = compare_policies(lean, coarse, "CartPole-v1", episodes=6, seed=5, epsilon=0.1, driver=driver)
    assert comparison.dqn == evaluate_policy(lean, "CartPole-v1", episodes=6, seed=5, epsilon=0.1)
    assert comparison.snn == evaluate_policy(coarse, "CartPole-v1", episodes=6, seed=5, epsilon=0.1)
    assert comparison.difference == paired_interval(comparison.snn.returns, comparison.dqn.returns)
    assert comparison.driver == driver
    driven = comparison.snn if driver == "snn" else comparison.dqn
    assert comparison.agreement.count == sum(driven.lengths)
    assert 0.5 < comparison.agreement.mean < 1.0
    assert comparison.spike_count_agreement is None


@pytest.mark.parametrize("driver", ["snn", "dqn"])
def test_agreement_is_about_the_states_that_the_driver_visits(driver: Literal["dqn", "snn"]) -> None:
    seen: list[Tensor] = []

    def watching(observations: Tensor) -> Tensor:
        seen.append(observations.clone())
        return coarse(observations)

    comparison = compare_policies(lean, watching, "CartPole-v1", episodes=4, driver=driver, num_envs=1)
    # The run that counts comes first, one episode after the other.
    lengths = (comparison.snn if driver == "snn" else comparison.dqn).lengths
    visited = torch.cat(seen[: sum(lengths)])
    hits = (lean(visited).argmax(1) == coarse(visited).argmax(1)).numpy()
    expected = proportion_interval(hits, clusters=np.repeat(range(4), lengths))
    assert comparison.agreement.mean == pytest.approx(expected.mean)
    assert comparison.agreement.low == pytest.approx(expected.low)


def test_a_network_agrees_with_itself() -> None:
    trained = agent("minatar-breakout")
    comparison = compare_policies(trained, trained, episodes=4)
    assert comparison.agreement.mean == comparison.gap_weighted_agreement.mean == 1.0
    assert comparison.regret.mean == 0.0
    assert comparison.dqn == comparison.snn
    assert comparison.difference.low == comparison.difference.high == 0.0


def test_results_become_json() -> None:
    comparison = compare_policies(lean, coarse, "CartPole-v1", episodes=2, max_episode_steps=20)
    plain = json.loads(json.dumps(comparison.to_dict(), allow_nan=False))
    assert plain["snn"]["returns"] == [20.0, 20.0]
    assert plain["agreement"]["mean"] == comparison.agreement.mean
    assert plain["spike_count_agreement"] is None


def test_one_episode_has_no_interval_and_still_becomes_json() -> None:
    evaluation = evaluate_policy(lean, "CartPole-v1", episodes=1, max_episode_steps=5)
    assert math.isinf(evaluation.interval.high)
    assert json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))["interval"]["high"] is None


def test_no_episodes_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"episodes >= 1\. Found 0"):
        evaluate_policy(lean, "CartPole-v1", episodes=0)


def test_an_unknown_driver_is_refused() -> None:
    with pytest.raises(ArgumentError, match="Found 'ann'"):
        compare_policies(lean, lean, "CartPole-v1", driver="ann")  # type: ignore[arg-type]


def test_a_network_for_another_environment_is_refused() -> None:
    with pytest.raises(EnvironmentMismatchError, match=r"Expected Q-values of shape \(1, 4\)"):
        evaluate_policy(lambda obs: obs[:, :3], "LunarLander-v3", episodes=1)


@pytest.mark.parametrize("driver", ["snn", "dqn"])
def test_both_readouts_of_a_spiking_network_are_compared_on_the_same_states(
    driver: Literal["dqn", "snn"],
) -> None:
    dqn = agent("minatar-breakout")
    snn = SpikingQNetwork(replace(plan("minatar-breakout"), num_steps=24))
    env_id = agent("minatar-breakout").env_id
    comparison = compare_policies(dqn, snn, env_id, episodes=6, driver=driver, max_episode_steps=40)
    assert comparison.snn == evaluate_policy(snn, env_id, episodes=6, max_episode_steps=40)

    player = snn if driver == "snn" else dqn
    robust, spike_count, gap_weighted, lost = (
        ActionAgreement(),
        ActionAgreement(),
        GapWeightedAgreement(),
        Regret(),
    )
    for step in play(
        lambda obs, places: (player(obs),), env_id, episode_ids=range(6), max_episode_steps=40, num_envs=3
    ):
        observations = torch.from_numpy(step.observations)
        record, q_dqn = snn.record(observations), dqn(observations)
        for metric in (robust, gap_weighted, lost):
            metric.update(q_dqn, record.q[-1], step.episode_ids)
        spike_count.update(q_dqn, record.q_spike[-1], step.episode_ids)
    assert comparison.agreement == robust.compute()
    assert comparison.spike_count_agreement == spike_count.compute()
    assert comparison.spike_count_agreement != comparison.agreement
    assert comparison.gap_weighted_agreement.mean == pytest.approx(gap_weighted.compute().mean, rel=1e-4)
    # A float32 product may differ in its last bit with the number of rows.
    assert comparison.regret.mean == pytest.approx(lost.compute().mean, rel=1e-4)


def test_a_spiking_network_of_many_steps_plays_as_its_dqn() -> None:
    trained = agent("minatar-freeway")
    snn = SpikingQNetwork(plan("minatar-freeway"))
    comparison = compare_policies(trained, snn, episodes=4, max_episode_steps=60)
    assert comparison.agreement.mean > 0.9
    assert comparison.gap_weighted_agreement.mean > comparison.agreement.mean
    assert comparison.regret.mean < 0.01
