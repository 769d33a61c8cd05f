"""State dicts of Tianshou 2's own policies, algorithms and networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dqn2snn.errors import CheckpointError
from tests.io.checkpoints.sources import FRAMES, assert_equal_q, saved, their_warnings

with their_warnings():
    pytest.importorskip("tianshou", reason="needs the extra frameworks")
    import gymnasium
    from tianshou.algorithm.modelfree.c51 import C51Policy
    from tianshou.algorithm.modelfree.dqn import DQN, DiscreteQLearningPolicy
    from tianshou.algorithm.optim import AdamOptimizerFactory
    from tianshou.env.atari.atari_network import C51Net, DQNet, ScaledObsInputActionReprNet
    from tianshou.utils.net.common import Net

STREAM = {"hidden_sizes": [24]}
FLAT_STREAM: dict[str, Any] = {"hidden_sizes": []}


def mlp(**options: Any) -> Any:
    return Net(state_shape=(4,), action_shape=3, hidden_sizes=[16, 24], **options)


def policy_of(model: nn.Module, actions: int = 3) -> Any:
    return DiscreteQLearningPolicy(model=model, action_space=gymnasium.spaces.Discrete(actions))


def q_of(model: Any) -> Any:
    def q(observations: Tensor) -> Tensor:
        values: Tensor = model(observations)[0]
        return values

    return q


@pytest.mark.parametrize(
    "options", [{}, {"dueling_param": (STREAM, STREAM)}, {"dueling_param": (FLAT_STREAM, FLAT_STREAM)}]
)
def test_a_policy_gives_its_q_values(options: dict[str, Any], tmp_path: Path) -> None:
    model = mlp(**options)
    checkpoint = saved(policy_of(model).state_dict(), tmp_path / "policy.pth")
    assert checkpoint.provenance.rule == "tianshou"
    assert_equal_q(checkpoint, q_of(model))


@pytest.mark.parametrize("scaled", [False, True])
def test_the_atari_network_takes_frames_as_its_wrapper_says(scaled: bool, tmp_path: Path) -> None:
    model: Any = DQNet(*FRAMES, action_shape=6)
    with torch.no_grad():
        model.net[-1].weight.mul_(0.1)  # Q-values of a size at which 1e-5 can be asked of float32
    if scaled:
        model = ScaledObsInputActionReprNet(model)
    checkpoint = saved(policy_of(model, 6).state_dict(), tmp_path / "policy.pth")
    assert checkpoint.preset is not None
    assert checkpoint.preset.name == "tianshou"
    assert ("not divided by 255" in str(checkpoint.provenance)) != scaled
    assert_equal_q(checkpoint, q_of(model))


@pytest.mark.parametrize("resume", [False, True])
def test_an_algorithm_gives_the_network_that_learns_and_not_the_old_one(resume: bool, tmp_path: Path) -> None:
    model = mlp()
    algorithm = DQN(policy=policy_of(model), optim=AdamOptimizerFactory(lr=1e-3), target_update_freq=10)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    state = algorithm.state_dict()
    checkpoint = saved({"model": state, "step": 7} if resume else state, tmp_path / "checkpoint.pth")
    assert checkpoint.provenance.rule == "tianshou"
    assert_equal_q(checkpoint, q_of(model))


def test_a_categorical_policy_is_refused(tmp_path: Path) -> None:
    net = C51Net(c=4, h=84, w=84, action_shape=[6], num_atoms=51)
    policy = C51Policy(model=net, action_space=gymnasium.spaces.Discrete(6))
    with pytest.raises(CheckpointError, match="support of a categorical one"):
        saved(policy.state_dict(), tmp_path / "policy.pth")


def test_streams_of_different_depths_are_refused(tmp_path: Path) -> None:
    model = mlp(dueling_param=(STREAM, FLAT_STREAM))
    with pytest.raises(CheckpointError, match=r"equally deep. Found 1 and 2 layers"):
        saved(policy_of(model).state_dict(), tmp_path / "policy.pth")
