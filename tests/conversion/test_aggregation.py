"""Recalibration on visited states: reproducible, on episodes of its own, and what it is for."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import dqn2snn
from dqn2snn.conversion import aggregate
from dqn2snn.errors import ArgumentError
from dqn2snn.play.evaluate import evaluate_policy
from tests.agents import agent, observations

OPTIONS: dict[str, Any] = {"num_steps": 4, "rounds": 2, "episodes": 4, "progress": False}


def aggregated(**options: Any) -> dqn2snn.SpikingQNetwork:
    return aggregate(agent("cartpole"), observations("cartpole"), **{**OPTIONS, **options})


def test_the_seed_determines_the_network() -> None:
    one, two = aggregated(max_episode_steps=60), aggregated(max_episode_steps=60)
    assert one.plan.report == two.plan.report
    for a, b in zip(one.plan.all_layers, two.plan.all_layers, strict=True):
        assert torch.equal(a.affine.weight, b.affine.weight)


def test_the_best_round_is_kept_and_scored_on_other_episodes_than_users_play() -> None:
    snn = aggregated()
    said = snn.plan.report["aggregate"]
    assert said["returns"][said["round"]] == max(said["returns"])
    assert len(said["returns"]) == OPTIONS["rounds"] + 1
    scored = evaluate_policy(snn, "CartPole-v1", episodes=4, seed=2**21, progress=False)
    assert scored.interval.mean == said["returns"][said["round"]]


def test_no_rounds_is_a_conversion() -> None:
    snn, x = aggregated(rounds=0, episodes=1), observations("cartpole")
    converted = dqn2snn.convert(agent("cartpole"), x, recipe="rate+ridge_all", num_steps=4)
    assert torch.equal(snn(x), converted(x))


def test_a_network_that_falls_learns_to_stand() -> None:
    """At four steps the shipped agent's network falls where it has not been calibrated."""
    before, after = aggregated(rounds=0), aggregated(rounds=3, episodes=8)
    scores = [
        evaluate_policy(snn, "CartPole-v1", episodes=12, seed=5_000, progress=False).interval.mean
        for snn in (before, after)
    ]
    assert scores[1] > scores[0] + 50


@pytest.mark.parametrize("wrong", [{"rounds": -1}, {"episodes": 0}, {"states": 0}, {"recipe": "rate+ritch"}])
def test_arguments_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError):
        aggregated(**wrong)
