"""The demonstration: complete, reproducible, and told on the pages as it was measured."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dqn2snn import load_q_network, zoo
from dqn2snn.cli._demo import DemoSettings, markdown_table, run_demo, text_table
from dqn2snn.errors import ArgumentError, CheckpointError
from dqn2snn.play.evaluate import compare_policies, evaluate_policy
from measuring.pages import results

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results"
FILES = ["agreement.png", "playing.gif", "raster.png", "results.json", "table.md"]
TINY = DemoSettings(
    agents=("cartpole", "minatar-breakout"),
    num_steps=16,
    episodes=3,
    calibration_observations=200,
    fresh_observations=60,
    fresh_episodes=3,
    video_steps=4,
)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], list[str]]:
    folder, told = tmp_path_factory.mktemp("demo") / "new" / "output", list[str]()
    return folder, run_demo(folder, TINY, tell=told.append), told


def test_it_leaves_results_a_table_and_pictures(demo: tuple[Path, dict[str, Any], list[str]]) -> None:
    folder, results, told = demo
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert [path.name for path in folder.parent.iterdir()] == ["output"]
    assert json.loads((folder / "results.json").read_text(), parse_constant=pytest.fail) == results
    assert (folder / "table.md").read_text() == markdown_table(results)
    for name in ("agreement.png", "raster.png", "playing.gif"):
        with Image.open(folder / name) as picture:
            assert min(picture.size) >= 200
    assert told[0] == "[1/2] cartpole: CartPole-v1"


def test_scores_are_those_of_the_same_episodes(demo: tuple[Path, dict[str, Any], list[str]]) -> None:
    agent = load_q_network("minatar-breakout")
    play = demo[1]["agents"]["minatar-breakout"]["in_play"]
    alone = evaluate_policy(agent, episodes=3, epsilon=0.05)
    assert play["dqn"]["returns"] == list(alone.returns)
    assert (play["driver"], play["snn"]["epsilon"], play["snn"]["seed"]) == ("snn", 0.05, 0)
    itself = compare_policies(agent, agent, episodes=3, epsilon=0.05)
    assert itself.agreement.mean == 1.0
    assert play["agreement"]["count"] == sum(play["snn"]["lengths"])


def test_the_same_versions_give_the_same_results(
    demo: tuple[Path, dict[str, Any], list[str]], tmp_path: Path
) -> None:
    folder = tmp_path / "output"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    again = run_demo(folder, replace(TINY, agents=("minatar-breakout",)))
    assert again["agents"]["minatar-breakout"] == demo[1]["agents"]["minatar-breakout"]
    assert (folder / "notes.txt").read_text() == "mine"


def test_both_tables_say_what_was_measured(demo: tuple[Path, dict[str, Any], list[str]]) -> None:
    results = demo[1]
    agreement = results["agents"]["cartpole"]["in_play"]["agreement"]
    for table in (text_table(results), markdown_table(results)):
        (row,) = (line for line in table.splitlines() if "cartpole" in line)
        assert f"{100 * agreement['mean']:.0f}" in row
        assert " 16 " in row
    assert markdown_table(results).count("\n") == 4


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"agents": ()}, ArgumentError),
        ({"agents": ("cartpole", "chess")}, CheckpointError),
        ({"num_steps": 0}, ArgumentError),
    ],
)
def test_a_demo_that_fails_leaves_nothing(
    changes: dict[str, Any], error: type[Exception], tmp_path: Path
) -> None:
    settings = replace(TINY, calibration_observations=20, **changes)
    with pytest.raises(error):
        run_demo(tmp_path / "output", settings)
    assert not list(tmp_path.iterdir())


def test_the_quick_demo_is_part_of_the_whole() -> None:
    assert set(DemoSettings.quick().agents) < set(DemoSettings().agents) == set(zoo.names())
    assert (DemoSettings().num_steps, DemoSettings().episodes) == (500, 50)


# What is kept in docs/results


@pytest.fixture(scope="module")
def kept() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RESULTS / "results.json").read_text(encoding="utf-8"))
    return content


def test_the_kept_results_are_of_the_whole_demo(kept: dict[str, Any]) -> None:
    assert kept["settings"] == json.loads(json.dumps(vars(DemoSettings())))
    assert set(FILES) <= {path.name for path in RESULTS.iterdir()}
    assert all((RESULTS / name).stat().st_size < 300_000 for name in ("agreement.png", "raster.png"))
    assert (RESULTS / "playing.gif").stat().st_size < 2_000_000


@pytest.mark.parametrize("name", ["minatar-freeway", "minatar-breakout"])
def test_the_kept_scores_of_the_dqns_come_out_again(kept: dict[str, Any], name: str) -> None:
    agent = load_q_network(name)
    dqn = kept["agents"][name]["in_play"]["dqn"]
    again = evaluate_policy(agent, episodes=2, seed=dqn["seed"], epsilon=dqn["epsilon"], num_envs=2)
    assert list(again.returns) == dqn["returns"][:2]


def test_the_pages_show_the_kept_results(kept: dict[str, Any]) -> None:
    table = markdown_table(kept)
    assert (RESULTS / "table.md").read_text(encoding="utf-8") == table
    for page, text in results.pages().items():
        assert table in text
        assert page.read_text(encoding="utf-8") == text


def test_what_the_page_says_of_the_kept_results_is_so(kept: dict[str, Any]) -> None:
    for agent in kept["agents"].values():
        play, cost = agent["in_play"], agent["on_fresh_observations"]["operations"]
        assert play["difference"]["low"] <= 0 <= play["difference"]["high"]
        assert (
            play["spike_count_agreement"]["high"] < play["agreement"]["low"]
            or agent["env_id"] == "LunarLander-v3"
        )
        assert 25 < cost["synaptic_operations"] / cost["dqn_macs"] < 105
        assert len(play["snn"]["returns"]) == len(play["dqn"]["returns"]) == 50
    lander = kept["agents"]["lunarlander"]["in_play"]
    assert lander["agreement"]["mean"] == min(
        agent["in_play"]["agreement"]["mean"] for agent in kept["agents"].values()
    )
    assert lander["spike_count_agreement"]["mean"] < lander["agreement"]["mean"]
    assert lander["agreement"]["high"] < lander["gap_weighted_agreement"]["low"]


# Examples


@pytest.mark.slow
@pytest.mark.parametrize("script", ["quickstart.py", "norse_loop.py"])
def test_examples_run(script: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith(
        ("same action in 0.9", "the Norse network balanced the pole for 100")
    )
