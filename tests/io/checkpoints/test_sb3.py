"""Zips that Stable-Baselines3 and sb3-contrib themselves write."""

from __future__ import annotations

import base64
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import pytest
import torch
from torch import Tensor, nn

from dqn2snn.errors import CheckpointError
from dqn2snn.io.checkpoints import load_q_network
from tests.io.checkpoints.sources import Shown, assert_equal_q, box, images, their_warnings

sb3: Any = pytest.importorskip(
    "stable_baselines3", reason="needs a newer torch than the oldest that dqn2snn takes"
)


def model_of(
    space: gymnasium.Space[Any], policy: str = "MlpPolicy", algorithm: str = "DQN", **options: Any
) -> Any:
    with their_warnings():
        module: Any = sb3
        if algorithm == "QRDQN":
            module = pytest.importorskip("sb3_contrib", reason="needs the extra frameworks")
        size = {} if algorithm in ("PPO", "A2C") else {"buffer_size": 1}
        return getattr(module, algorithm)(
            policy, Shown(space, 5), device="cpu", policy_kwargs=options, **size
        )


def q_of(model: Any) -> Callable[[Tensor], Tensor]:
    """What the policy computes, its preprocessing included."""
    return lambda observations: model.policy.q_net(observations)


@pytest.mark.parametrize(
    ("space", "policy", "options"),
    [
        (box((4,)), "MlpPolicy", {}),
        (box((7,)), "MlpPolicy", {"net_arch": [16, 8, 24]}),
        (box((7,)), "MlpPolicy", {"net_arch": [16], "activation_fn": nn.ReLU}),
        (box((3, 2)), "MlpPolicy", {"net_arch": [16]}),
        (images((1, 9, 9)), "MlpPolicy", {"net_arch": [16]}),
        (images(), "CnnPolicy", {}),
        (images((3, 40, 48)), "CnnPolicy", {"net_arch": [16], "features_extractor_kwargs": {"features_dim": 32}}),
        (images((3, 40, 48)), "CnnPolicy", {"normalize_images": True}),
        (box((3, 36, 36), low=0, high=255), "CnnPolicy", {"normalize_images": False,
            "features_extractor_kwargs": {"normalized_image": True}}),
    ],
)  # fmt: skip
def test_a_dqn_gives_its_q_values(space: Any, policy: str, options: dict[str, Any], tmp_path: Path) -> None:
    model = model_of(space, policy, **options)
    model.save(tmp_path / "model.zip")
    checkpoint = load_q_network(tmp_path / "model.zip")
    assert checkpoint.provenance.rule == "sb3"
    assert checkpoint.provenance.framework == f"Stable-Baselines3 {sb3.__version__}"
    assert checkpoint.observation_shape == model.observation_space.shape
    assert (checkpoint.preset is not None) == (space.shape == (4, 84, 84))
    assert_equal_q(checkpoint, q_of(model))


@pytest.mark.parametrize(("space", "policy"), [(box((4,)), "MlpPolicy"), (images((3, 40, 40)), "CnnPolicy")])
@pytest.mark.parametrize("options", [{}, {"n_quantiles": 7, "net_arch": [12]}])
def test_a_qr_dqn_gives_the_means_of_its_quantiles(
    space: Any, policy: str, options: dict[str, Any], tmp_path: Path
) -> None:
    model = model_of(space, policy, "QRDQN", **options)
    model.save(tmp_path / "model.zip")
    checkpoint = load_q_network(tmp_path / "model.zip")
    assert checkpoint.provenance.rule == "sb3_contrib"
    assert checkpoint.num_actions == 5
    assert_equal_q(checkpoint, lambda observations: model.policy.quantile_net(observations).mean(1))


@pytest.mark.parametrize(
    ("space", "options", "message"),
    [
        (box((4,)), {"activation_fn": nn.Tanh}, "Expected ReLU as activation_fn. Found Tanh"),
        (gymnasium.spaces.Discrete(6), {}, "Expected observations in a Box. Found .*Discrete"),
        (gymnasium.spaces.MultiBinary(6), {}, "Expected observations in a Box. Found .*MultiBinary"),
    ],
)
def test_what_the_weights_do_not_say_is_refused(
    space: Any, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    model_of(space, **options).save(tmp_path / "model.zip")
    with pytest.raises(CheckpointError, match=message):
        load_q_network(tmp_path / "model.zip")


def test_extractors_of_users_are_refused(tmp_path: Path) -> None:
    class Mine(sb3.common.torch_layers.FlattenExtractor):  # type: ignore[misc, name-defined]
        pass

    model_of(box((4,)), features_extractor_class=Mine).save(tmp_path / "model.zip")
    with pytest.raises(CheckpointError, match=r"Expected NatureCNN or FlattenExtractor .* Found Mine"):
        load_q_network(tmp_path / "model.zip")


@pytest.mark.parametrize("algorithm", ["PPO", "A2C"])
def test_other_algorithms_are_refused_by_what_they_hold(algorithm: str, tmp_path: Path) -> None:
    model_of(box((4,)), algorithm=algorithm).save(tmp_path / "model.zip")
    with pytest.raises(CheckpointError, match=r"Expected a DQN .* Found one of .*mlp_extractor, value_net"):
        load_q_network(tmp_path / "model.zip")


@pytest.fixture
def model(tmp_path: Path) -> Any:
    made = model_of(box((4,)), net_arch=[16])
    made.save(tmp_path / "model.zip")
    return made


def rewritten(
    path: Path, change: Callable[[dict[str, Any]], None], compression: int = zipfile.ZIP_STORED
) -> None:
    """Change what ``data`` says."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    data = json.loads(members["data"])
    change(data)
    members["data"] = json.dumps(data).encode()
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("key", ["_shape", "shape"])
def test_old_zips_with_pickled_gym_spaces_load_and_their_pickles_stay_closed(
    model: Any, key: str, tmp_path: Path
) -> None:
    """As versions before 2.0 wrote them, on the old gym; the pickles would leave a file behind."""
    bomb = base64.b64encode(pickle.dumps(Bomb(tmp_path / "exploded"))).decode()

    def age(data: dict[str, Any]) -> None:
        data["observation_space"] = {
            ":type:": "<class 'gym.spaces.box.Box'>", ":serialized:": bomb, "dtype": "float32", key: [4],
            "low": "[-4.8 -inf -0.4 -inf]", "high": "[4.8 inf 0.4 inf]", "_np_random": "RandomState(MT19937)",
        }  # fmt: skip
        data["action_space"] = {
            ":type:": "<class 'gym.spaces.discrete.Discrete'>",
            ":serialized:": bomb,
            "n": 5,
        }
        for value in data.values():
            if isinstance(value, dict) and ":serialized:" in value:
                value[":serialized:"] = bomb

    rewritten(tmp_path / "model.zip", age, zipfile.ZIP_DEFLATED)
    assert_equal_q(load_q_network(tmp_path / "model.zip"), q_of(model))
    assert not (tmp_path / "exploded").exists()


def test_no_framework_is_needed(model: Any, tmp_path: Path) -> None:
    code = """
import sys
for name in ("stable_baselines3", "sb3_contrib", "gymnasium", "gym", "cloudpickle"):
    sys.modules[name] = None
import dqn2snn
print(dqn2snn.load_q_network(sys.argv[1]).provenance.rule)
"""
    argv = [sys.executable, "-c", code, str(tmp_path / "model.zip")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.stdout == "sb3\n", done.stderr


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"observation_space": None}, "Expected a mapping as 'observation_space'"),
        ({"observation_space": {}}, "Expected observations in a Box. Found none"),
        ({"action_space": {}}, "Expected Discrete actions"),
        ({"policy_kwargs": [1]}, "Expected a mapping as 'policy_kwargs'"),
        ({"policy_kwargs": {"activation_fn": "<class 'mine.ELU'>"}}, "Found ELU"),
    ],
)
def test_damaged_data_is_refused(model: Any, changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    rewritten(tmp_path / "model.zip", lambda data: data.update(changes))
    with pytest.raises(CheckpointError, match=message):
        load_q_network(tmp_path / "model.zip")


@pytest.mark.parametrize(
    "shape", [[5], [4, 1, 1, 1], [], [4.0], [True], ["4"], [2**40], [-4], [2**19, 2**19, 2**19], None]
)
def test_shapes_that_do_not_fit_the_weights_are_refused(model: Any, shape: Any, tmp_path: Path) -> None:
    rewritten(tmp_path / "model.zip", lambda data: data["observation_space"].update(_shape=shape))
    with pytest.raises(CheckpointError, match=r"Expected (observations|layers)"):
        load_q_network(tmp_path / "model.zip")


@pytest.mark.parametrize("n", ["4", "0", "-5", "10000000000", "five", None])
def test_actions_that_do_not_fit_the_weights_are_refused(model: Any, n: Any, tmp_path: Path) -> None:
    rewritten(tmp_path / "model.zip", lambda data: data["action_space"].update(n=n))
    with pytest.raises(CheckpointError, match=r"Expected (4 Q-values|Discrete actions)"):
        load_q_network(tmp_path / "model.zip")


def test_a_zip_without_data_is_refused(model: Any, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        policy = archive.read("policy.pth")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("policy.pth", policy)
    with pytest.raises(CheckpointError, match="Found no data"):
        load_q_network(tmp_path / "other.zip")


def test_the_target_network_is_not_taken_for_the_network(tmp_path: Path) -> None:
    model = model_of(box((4,)), net_arch=[16])
    with torch.no_grad():
        for parameter in model.policy.q_net_target.parameters():
            parameter.add_(1)
    model.save(tmp_path / "model.zip")
    assert_equal_q(load_q_network(tmp_path / "model.zip"), q_of(model))
