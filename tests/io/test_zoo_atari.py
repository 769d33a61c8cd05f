"""Atari agents, which a clone of the repository has beside the package."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dqn2snn import load_q_network, zoo
from dqn2snn.io.zoo import _find
from dqn2snn.io.zoo._card import render_card
from dqn2snn.io.zoo._references import REFERENCES, human_normalised
from dqn2snn.play.envs import make_env, spaces_of

ROOT = Path(__file__).parents[2]
ATARI = zoo.atari_names()


@pytest.mark.parametrize("name", ATARI)
def test_atari_agents_are_ready_to_use(name: str) -> None:
    pytest.importorskip("ale_py", reason="Atari needs the extra atari")
    agent = load_q_network(name)
    assert agent.name == name
    directory = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)[1:]
    assert load_q_network(directory).config == agent.config
    assert (ROOT / "zoo" / "atari" / directory / "weights.safetensors").stat().st_size < 4_000_000
    env = make_env(agent.env_id)
    shape, num_actions = spaces_of(env)
    assert (list(shape), num_actions) == (agent.config["observation_shape"], agent.config["num_actions"])
    assert len(agent.config["action_names"]) == num_actions
    frames = torch.from_numpy(env.reset(seed=0)[0])[None]
    assert torch.equal(agent(frames), agent(frames.float()))
    for parameter in agent.parameters():
        assert torch.equal(parameter.half().float(), parameter)


@pytest.mark.parametrize("name", ATARI)
def test_atari_agents_beat_random_play_and_their_cards_say_so(name: str) -> None:
    agent = load_q_network(name)
    scores = [agent.config["evaluation"], *agent.config["also_evaluated"]]
    assert [(score["episodes"], score["epsilon"]) for score in scores] == [(30, 0.0), (30, 0.05)]
    random = REFERENCES[agent.env_id.removesuffix("NoFrameskip-v4")].random
    for score in scores:
        assert score["mean"] == pytest.approx(sum(score["returns"]) / 30)
        assert score["ci95"][0] > random
    text = render_card(agent.config)
    assert f"Random play scores {random:g}" in text
    assert "Played under tan2021" in text
    assert "epsilon 0.05" in text


@pytest.mark.parametrize("name", ATARI)
def test_atari_cards_are_rendered_from_their_configuration(name: str) -> None:
    directory = _find.find(name)
    assert directory is not None
    assert (directory / "README.md").read_text(encoding="utf-8") == render_card(load_q_network(name).config)


@pytest.mark.skipif(not ATARI, reason="the source distribution leaves zoo/atari out")
def test_an_atari_agent_is_its_checkpoint_with_the_quantiles_averaged() -> None:
    from atari.export import read_export
    from atari.network import averaged

    directory = _find.find(ATARI[0])
    assert directory is not None
    before = averaged(read_export(directory)[0])
    frames = torch.randint(0, 256, (16, 4, 84, 84), dtype=torch.uint8)
    with torch.no_grad():
        torch.testing.assert_close(
            load_q_network(ATARI[0])(frames), before(frames.float()), rtol=1e-3, atol=0.01
        )


@pytest.mark.skipif(not ATARI, reason="the source distribution leaves zoo/atari out")
def test_two_agents_have_the_body_of_2015() -> None:
    large = [name for name in ATARI if load_q_network(name).config["layers"][1] == ["conv2d", 4, 32, 8, 4]]
    assert large == ["CrazyClimberNature", "KrullNature"]


def test_references_normalise() -> None:
    assert len(REFERENCES) == 17
    assert human_normalised("Pong", -20.7) == 0
    assert all(reference.human > reference.random for reference in REFERENCES.values())


@pytest.mark.slow
def test_an_atari_checkpoint_becomes_an_agent_that_scores_the_same_again(tmp_path: Path) -> None:
    pytest.importorskip("ale_py", reason="Atari needs the extra atari")
    if not ATARI:
        pytest.skip("the source distribution leaves zoo/atari out")
    for file in ("checkpoint.json", "checkpoint.safetensors"):
        shutil.copy(ROOT / "zoo" / "atari" / "road_runner" / file, tmp_path)
    (tmp_path / "curve.jsonl").write_text('{"step": 8}\n')
    command = [sys.executable, str(ROOT / "examples" / "export_atari.py"), str(tmp_path)]
    for options in (["--episodes", "2"], ["--check"]):
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert done.stdout.count("2 of 2 games score the same") == 2
    agent = load_q_network(tmp_path)
    assert agent.name == "RoadRunner"
    weights = agent.state_dict()
    assert all(
        torch.equal(weights[key], tensor) for key, tensor in load_q_network("RoadRunner").state_dict().items()
    )
    assert agent.config["learning_curve"] == "curve.jsonl"
    assert (tmp_path / "checkpoint.json").exists()
