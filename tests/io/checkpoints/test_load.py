"""Where checkpoints are found, what they are compared with, and readers of third parties."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dqn2snn import zoo
from dqn2snn.cli import _arguments
from dqn2snn.errors import ArgumentError, CheckpointError, EnvironmentMismatchError
from dqn2snn.io.checkpoints import PRESETS, READERS, load_q_network
from tests.io.checkpoints.sources import assert_equal_q
from tests.io.checkpoints.test_cleanrl import Atari, Mlp
from tests.io.zoo_copies import SHIPPED
from tests.plugged import plugged


@pytest.fixture
def atari(tmp_path: Path) -> Path:
    torch.save(Atari(6).state_dict(), tmp_path / "dqn_atari.cleanrl_model")
    return tmp_path / "dqn_atari.cleanrl_model"


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))


# Where


def test_agents_of_the_zoo_are_checkpoints_too(tmp_path: Path) -> None:
    agent = load_q_network("cartpole")
    shutil.copytree(SHIPPED / "cartpole", tmp_path / "copy")
    for name in ("cartpole", SHIPPED / "cartpole", tmp_path / "copy"):
        checkpoint = load_q_network(name)
        assert (checkpoint.name, checkpoint.env_id, checkpoint.preset) == ("cartpole", "CartPole-v1", None)
        assert checkpoint.provenance.rule == "zoo"
        assert_equal_q(checkpoint, agent)


def test_a_directory_stands_for_the_one_checkpoint_in_it(tmp_path: Path) -> None:
    torch.save(network().state_dict(), tmp_path / "dqn.pt")
    (tmp_path / "train_eval_metrics.zip").write_bytes(b"PK")
    (tmp_path / "config.yml").write_text("n_timesteps: 1")
    assert load_q_network(tmp_path).name == "dqn"
    torch.save(network().state_dict(), tmp_path / "second.pt")
    with pytest.raises(CheckpointError, match=r"Expected one checkpoint .* Found dqn\.pt, second\.pt"):
        load_q_network(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.zip", "Found no file 'missing.zip'"),
        ("no/such/file.pt", "Found no file 'no/such/file.pt'"),
        ("nothing", "or the name of an agent: .*cartpole"),
        ("bad\0name.pt", "Found no file"),
        ("", "Expected"),
    ],
)
def test_what_is_not_there_is_named(name: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_q_network(name)


def test_an_empty_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"Expected one checkpoint .* Found none"):
        load_q_network(tmp_path)


def in_cache(home: Path, repository: str, *files: Path) -> None:
    """Lay files out as huggingface_hub caches a repository."""
    cached = home / "hub" / f"models--{repository.replace('/', '--')}"
    snapshot = cached / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    for file in files:
        shutil.copy(file, snapshot)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("0" * 40)


def test_repositories_of_the_hub_are_read_from_their_cache(atari: Path, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub", reason="the hub needs the extra hub")
    torch.save(network().state_dict(), tmp_path / "dqn-CartPole-v1.zip")
    (tmp_path / "train_eval_metrics.zip").write_bytes(b"PK")
    in_cache(
        tmp_path, "sb3/dqn-CartPole-v1", tmp_path / "dqn-CartPole-v1.zip", tmp_path / "train_eval_metrics.zip"
    )
    in_cache(tmp_path, "cleanrl/PongNoFrameskip-v4-dqn_atari-seed1", atari)
    code = """
import dqn2snn
for name in ("sb3/dqn-CartPole-v1", "cleanrl/PongNoFrameskip-v4-dqn_atari-seed1", "sb3/dqn-Chess-v0"):
    try:
        checkpoint = dqn2snn.load_q_network(name)
        print(checkpoint.env_id, checkpoint.provenance.source, checkpoint.provenance.rule)
    except dqn2snn.Dqn2SnnError as error:
        print(error)
"""
    offline = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, env=os.environ | offline, capture_output=True, text=True, check=False)
    first, second, third = done.stdout.splitlines()
    assert first == "CartPole-v1 sb3/dqn-CartPole-v1 plain", done.stderr
    assert second == "PongNoFrameskip-v4 cleanrl/PongNoFrameskip-v4-dqn_atari-seed1 cleanrl"
    assert third.startswith(
        "Expected an agent, a checkpoint or a spiking network on the Hugging Face Hub, or in its"
    )


def test_without_the_extra_a_hub_id_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(CheckpointError, match=r"no file or directory 'sb3/dqn-CartPole-v1'.*dqn2snn\[hub\]"):
        load_q_network("sb3/dqn-CartPole-v1")


# What they are compared with


@pytest.mark.parametrize(
    ("name", "env_id"),
    [
        ("dqn-PongNoFrameskip-v4", "PongNoFrameskip-v4"),
        ("dqn_CartPole-v1_2", "CartPole-v1"),
        ("ALE-Pong-v5", "ALE/Pong-v5"),
        ("LunarLander-v3__dqn__1", "LunarLander-v3"),
        ("checkpoint", ""),
        ("model-v2x", ""),
    ],
)
def test_the_name_of_a_file_may_tell_the_environment(name: str, env_id: str, tmp_path: Path) -> None:
    torch.save(network().state_dict(), tmp_path / f"{name}.pt")
    assert load_q_network(tmp_path / f"{name}.pt").env_id == env_id


def test_an_environment_that_fits_is_taken(atari: Path, tmp_path: Path) -> None:
    pytest.importorskip("ale_py", reason="Atari needs the extra atari")
    assert load_q_network(atari, env="PongNoFrameskip-v4").env_id == "PongNoFrameskip-v4"
    torch.save(network().state_dict(), tmp_path / "dqn.pt")
    assert load_q_network(tmp_path / "dqn.pt", env="CartPole-v1").env_id == "CartPole-v1"


@pytest.mark.parametrize(
    ("env_id", "message"),
    [
        (
            "ALE/Pong-v5",
            "sticky actions with probability 0.25 instead of 0, no FIRE at the beginning in ALE/Pong-v5",
        ),
        ("CartPole-v1", "no Atari preprocessing in CartPole-v1"),
        ("BreakoutNoFrameskip-v4", "Expected 6 actions, .* Found 4"),
    ],
)
def test_an_environment_that_does_not_fit_is_refused_with_the_difference(
    env_id: str, message: str, atari: Path
) -> None:
    pytest.importorskip("ale_py", reason="Atari needs the extra atari")
    with pytest.raises(EnvironmentMismatchError, match=message):
        load_q_network(atari, env=env_id)


def test_an_agent_of_the_zoo_has_the_preset_of_its_protocol() -> None:
    if "RoadRunner" not in zoo.atari_names():
        pytest.skip("the Atari agents are in a clone of the repository")
    assert load_q_network("RoadRunner").preset == PRESETS["tan2021"]
    with pytest.raises(EnvironmentMismatchError, match="Expected an environment with the preset 'tan2021'"):
        load_q_network("RoadRunner", env="ALE/RoadRunner-v5")


def test_whoever_trained_otherwise_says_so(atari: Path) -> None:
    pytest.importorskip("ale_py", reason="Atari needs the extra atari")
    checkpoint = load_q_network(atari, env="ALE/Pong-v5", preset="machado2018")
    assert checkpoint.preset == PRESETS["machado2018"]
    with pytest.raises(EnvironmentMismatchError, match=r"sticky actions with probability 0 instead of 0.25"):
        checkpoint.check_environment("PongNoFrameskip-v4")
    with pytest.raises(ArgumentError, match=r"Expected a preset: sb3, .* Found 'dopamine'"):
        load_q_network(atari, preset="dopamine")


def test_frames_are_not_divided_twice(tmp_path: Path) -> None:
    """A network that divides by 255 gets bytes, or it is refused."""
    gymnasium = pytest.importorskip("gymnasium")

    class Floats(gymnasium.Env):  # type: ignore[name-defined, misc]
        observation_space = gymnasium.spaces.Box(0, 1, (4, 84, 84), np.float32)
        action_space = gymnasium.spaces.Discrete(6)

        def __init__(self, render_mode: str | None = None) -> None:
            self.render_mode = render_mode

    gymnasium.register("Floats-v0", Floats)
    try:
        module = Atari(6)
        torch.save(module.network.state_dict(), tmp_path / "dqn.pt")
        with pytest.raises(
            EnvironmentMismatchError, match=r"Expected frames of bytes.* Found observations of float32"
        ):
            load_q_network(tmp_path / "dqn.pt", env="Floats-v0")
    finally:
        del gymnasium.registry["Floats-v0"]


def test_the_command_line_knows_the_presets() -> None:
    assert tuple(PRESETS) == _arguments.PRESETS


# Readers of third parties


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example package, installed."""
    return plugged("npz_reader", tmp_path / "site", monkeypatch)


def test_a_package_adds_a_format_by_an_entry_point(installed: Path, tmp_path: Path) -> None:
    source = network()
    arrays = {name: tensor.numpy() for name, tensor in source.state_dict().items()}
    np.savez(tmp_path / "dqn.npz", **arrays)
    checkpoint = load_q_network(tmp_path / "dqn.npz")
    assert (checkpoint.provenance.rule, checkpoint.provenance.framework) == ("npz", "NumPy")
    assert_equal_q(checkpoint, source)


def test_formats_of_the_package_are_not_taken_over(installed: Path, tmp_path: Path) -> None:
    torch.save(Mlp(2).state_dict(), tmp_path / "dqn.npz")
    assert load_q_network(tmp_path / "dqn.npz").provenance.rule in READERS


def test_without_the_package_the_format_is_unknown(tmp_path: Path) -> None:
    np.savez(tmp_path / "dqn.npz", weight=np.ones((2, 4)))
    with pytest.raises(
        CheckpointError, match=r"Expected a zip of Stable-Baselines3, .* Found something else"
    ):
        load_q_network(tmp_path / "dqn.npz")


def test_a_broken_package_is_named(installed: Path, tmp_path: Path) -> None:
    (installed / "dqn2snn_npz_reader.py").write_text("import no_such_module")
    torch.save(network().state_dict(), tmp_path / "dqn.pt")
    with pytest.raises(CheckpointError, match=r"reader 'dqn2snn_npz_reader:read'.*no_such_module"):
        load_q_network(tmp_path / "dqn.pt")
