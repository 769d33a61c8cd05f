"""Where agents are found: in the package, in a checkout, in DQN2SNN_ZOO, on the Hub."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dqn2snn import load_q_network, zoo
from dqn2snn.errors import CheckpointError
from dqn2snn.io.zoo import _find
from tests.io.zoo_copies import SHIPPED, save_copy


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of agents, where no checkout is."""
    monkeypatch.setattr(_find, "_CHECKOUT", tmp_path / "none")
    monkeypatch.setenv("DQN2SNN_ZOO", str(tmp_path / "agents"))
    save_copy(tmp_path / "agents" / "two_carts", name="TwoCarts")
    return tmp_path / "agents"


def test_agents_are_found_where_the_environment_variable_says(elsewhere: Path) -> None:
    assert zoo.atari_names() == ("TwoCarts",)
    assert load_q_network("TwoCarts").name == load_q_network("two_carts").name == "TwoCarts"
    assert "TwoCarts" not in zoo.names()
    with pytest.raises(
        CheckpointError, match=r"cartpole, .*TwoCarts.* Found 'chess'.*agents \(DQN2SNN_ZOO\)"
    ):
        load_q_network("chess")


def test_without_checkout_and_variable_it_says_where_it_looked(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DQN2SNN_ZOO")
    assert zoo.atari_names() == ()
    with pytest.raises(CheckpointError, match=r"Found 'RoadRunner'.*none, and nowhere.*clone of dqn2snn"):
        load_q_network("RoadRunner")


def test_a_checkout_comes_before_the_variable(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_copy(elsewhere.parent / "checkout" / "two_carts", name="First")
    monkeypatch.setattr(_find, "_CHECKOUT", elsewhere.parent / "checkout")
    assert load_q_network("TwoCarts").name == "First"
    assert zoo.atari_names() == ("TwoCarts",)


def test_an_agent_of_the_hub_is_read_from_its_cache(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub", reason="the hub needs the extra hub")
    cached = tmp_path / "hub" / "models--somebody--cart-pole"
    shutil.copytree(SHIPPED / "cartpole", cached / "snapshots" / ("0" * 40))
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("0" * 40)
    code = """
import dqn2snn.errors
print(dqn2snn.load_q_network("somebody/cart-pole").env_id)
try:
    dqn2snn.load_q_network("somebody/chess")
except dqn2snn.errors.CheckpointError as error:
    print(error)
"""
    offline = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | offline, capture_output=True, text=True, check=False
    )
    first, second = done.stdout.splitlines()
    assert first == "CartPole-v1", done.stderr
    assert second.startswith(
        "Expected an agent, a checkpoint or a spiking network on the Hugging Face Hub, or in its cache. "
        "Found none at 'somebody/chess'"
    )
