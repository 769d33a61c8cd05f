"""The report on agreement: its parts are those of the library, on observations that were never calibrated on."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import dqn2snn
from dqn2snn.metrics import ActionAgreement, action_agreement, q_error, regret, synaptic_operations
from dqn2snn.network import SpikingQNetwork
from dqn2snn.play.collect import Rollout, collect_rollout
from dqn2snn.play.study import doubling_steps, fresh_rollout, study_agreement

AGENT = dqn2snn.load_q_network("minatar-breakout")


@pytest.fixture(scope="module")
def rollout() -> Rollout:
    return fresh_rollout(AGENT, 150, seed=0, min_episodes=5)


@pytest.fixture(scope="module")
def snn() -> SpikingQNetwork:
    observations = dqn2snn.collect_observations(AGENT, 300, seed=0)
    return dqn2snn.convert(AGENT, observations, num_steps=24)


def test_every_number_is_that_of_the_metrics(snn: SpikingQNetwork, rollout: Rollout) -> None:
    study = study_agreement(snn, rollout)
    record = snn.record(rollout.observations)
    for step, robust, spike_count in zip(
        study.curve.num_steps, study.curve.robust, study.curve.spike_count, strict=True
    ):
        for interval, q_snn in ((robust, record.q[step - 1]), (spike_count, record.q_spike[step - 1])):
            metric = ActionAgreement()
            metric.update(rollout.q, q_snn, rollout.episode_ids)
            assert interval == metric.compute()
    assert study.curve.num_steps == (1, 2, 4, 8, 16, 24)
    assert study.curve.robust[-1].mean == action_agreement(rollout.q, record.q[-1])
    assert study.regret.mean == pytest.approx(regret(rollout.q, record.q[-1]))
    assert study.relative_q_error.mean == pytest.approx(q_error(rollout.q, record.q[-1], relative=True))
    fan_outs = [snn.plan.fan_out(layer) for layer in range(2)]
    operations = synaptic_operations(record.sent[:-1], fan_outs).mean().item()
    assert study.operations.synaptic_operations == operations
    assert study.operations.input_macs == snn.plan.input_macs
    assert study.operations.dqn_macs == snn.plan.input_macs + sum(int(each.sum()) for each in fan_outs)
    assert (study.observations, study.episodes) == (150, 5)


def test_a_shorter_run_reads_the_same_curve(snn: SpikingQNetwork, rollout: Rollout) -> None:
    whole, short = study_agreement(snn, rollout), study_agreement(snn, rollout, num_steps=(2, 8))
    assert short.curve.robust == (whole.curve.robust[1], whole.curve.robust[3])
    assert short.operations.synaptic_operations < whole.operations.synaptic_operations


def test_it_is_plain_data(snn: SpikingQNetwork, rollout: Rollout) -> None:
    data = study_agreement(snn, rollout, num_steps=(4,)).to_dict()
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_fresh_observations_are_fresh_and_of_enough_episodes(rollout: Rollout) -> None:
    calibration = collect_rollout(AGENT, 150, seed=0)
    assert len(np.unique(rollout.episode_ids)) == 5
    assert torch.equal(rollout.q, fresh_rollout(AGENT, 150, seed=0, min_episodes=5).q)
    first = [part.observations[:5] for part in (rollout, calibration)]
    assert not torch.equal(*first)


@pytest.mark.parametrize(
    ("num_steps", "steps"), [(1, (1,)), (2, (1, 2)), (16, (1, 2, 4, 8, 16)), (17, (1, 2, 4, 8, 16, 17))]
)
def test_doubling_steps_end_with_the_last(num_steps: int, steps: tuple[int, ...]) -> None:
    assert doubling_steps(num_steps) == steps
