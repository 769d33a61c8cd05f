"""The benchmark under perturbations, and its clipped control."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import dqn2snn
from dqn2snn.benchmark import Conditions, Results, Settings, Unit, run, summarise
from dqn2snn.benchmark._network import clipped_of, dqn_of, plan_of, plan_path
from dqn2snn.benchmark._perturb import Perturbation
from dqn2snn.benchmark._picture import colours_of
from dqn2snn.benchmark._report import markdown, write_report
from dqn2snn.benchmark._settings import check
from dqn2snn.errors import ArgumentError
from dqn2snn.tracing import trace
from tests.benchmark.subjects import CONDITIONS

AGENT = "minatar-breakout"
CLIPPED = Unit(AGENT, "clipped", 0, 90.0, 0)
SETTINGS = Settings(
    agents=(AGENT,),
    recipes=("tan2021", "clipped"),
    num_steps=(4,),
    percentiles=(90.0, 99.0),
    perturbations=("none", "bar=5", "gaussian=0.3", "salt_and_pepper=0.2", "weights=0.3"),
    episodes=3,
    conditions=CONDITIONS,
    batch=3,
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("perturbed")


@pytest.fixture(scope="module")
def results(directory: Path) -> Results:
    found, broken = run(SETTINGS, directory, progress=False)
    assert broken == []
    return found


def test_every_network_plays_under_every_perturbation(results: Results) -> None:
    units = {unit for unit, _ in results.episodes}
    assert len(units) == 5 * (1 + 2 + 2)
    assert len(results.episodes) == 3 * len(units)


def test_noise_belongs_to_the_episode_and_not_to_those_beside_it(results: Results, tmp_path: Path) -> None:
    alone, _ = run(replace(SETTINGS, batch=1, percentiles=(90.0,)), tmp_path, progress=False)
    for place, entry in alone.episodes.items():
        assert entry == results.episodes[place], place


def test_perturbations_change_what_is_decided(results: Results) -> None:
    def courses(perturbation: str) -> list[float]:
        dqn = Unit(AGENT, "dqn", 0, None, 0, perturbation)
        return [results.episodes[dqn, number]["return"] for number in range(3)] + [
            results.episodes[dqn, number]["length"] for number in range(3)
        ]

    assert courses("weights=0.3") != courses("none") or courses("gaussian=0.3") != courses("none")


def test_plans_are_shared_unless_their_weights_are_noisy(directory: Path) -> None:
    unit = Unit(AGENT, "tan2021", 4, 90.0, 0)
    paths = {
        name: plan_path(replace(unit, perturbation=name), CONDITIONS, directory)
        for name in SETTINGS.perturbations
    }
    assert len(set(paths.values())) == 2
    assert paths["none"] != paths["weights=0.3"]
    noisy = replace(unit, perturbation="weights=0.3")
    weights = [plan_of(each, CONDITIONS, directory).layers[1].affine.weight for each in (unit, noisy)]
    assert not torch.equal(*weights)


def test_the_clipped_dqn_is_the_dqn_with_clipped_activations(results: Results, directory: Path) -> None:
    agent = dqn2snn.load_q_network(AGENT)
    seen = dqn2snn.collect_observations(agent, 200, max_episode_steps=12)
    graph = trace(agent, tuple(seen.shape[1:]))
    x = seen.double()
    for layer in graph.layers:
        activation = layer(x).relu()
        calibrated = (layer(_before(graph, layer, seen))).relu()
        x = activation.clamp(max=float(torch.quantile(calibrated.flatten(), 0.9)))
    expected = graph.head(x)
    found = clipped_of(CLIPPED, CONDITIONS, directory).saturated(seen)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)
    assert (found - agent(seen)).abs().max() > 0.01


def _before(graph: dqn2snn.plan.graph.LayerGraph, layer: object, seen: torch.Tensor) -> torch.Tensor:
    """What a layer of the unclipped network is given."""
    x = seen.double()
    for each in graph.layers:
        if each is layer:
            return x
        x = each(x).relu()
    raise AssertionError


def test_the_dqn_that_looks_on_has_the_same_noise(results: Results) -> None:
    observations = torch.rand(5, 4, 10, 10)
    unit = Unit(AGENT, "tan2021", 4, 90.0, 0, "weights=0.3")
    dqn = dqn_of(replace(unit, recipe="dqn", num_steps=0, percentile=None))
    assert torch.equal(dqn_of(unit)(observations), dqn(observations))
    assert not torch.equal(dqn(observations), dqn2snn.load_q_network(AGENT)(observations))


def test_the_report_has_what_is_left_of_the_scores(results: Results, tmp_path: Path) -> None:
    summary = summarise(results)
    assert {game.recipe for game in summary.games} == {"tan2021", "clipped"}
    assert len(summary.games) == 4
    assert len(summary.robustness) == 4 * 4
    assert {row.perturbation for row in summary.robustness} == set(SETTINGS.perturbations) - {"none"}
    assert "## Under perturbations" in markdown(summary)
    write_report(summary, tmp_path)
    assert {"percentiles.png", "robustness.png"} <= {path.name for path in tmp_path.iterdir()}


def test_the_clipped_dqn_has_the_colour_of_its_percentile(results: Results) -> None:
    colours = colours_of(summarise(results).games)
    assert [recipe for recipe, _ in colours] == ["tan2021"] * 2 + ["clipped"] * 2
    assert len(set(colours.values())) == 2
    assert all(colour == colours["tan2021", percentile] for (_, percentile), colour in colours.items())


def test_shares_are_those_that_a_hand_computes() -> None:
    found = Results(Conditions())
    spent = {"agreed": 1, "agreed_spike_count": 1, "spikes": 1.0, "operations": 1.0}
    for recipe, steps, returns in (
        ("dqn", 0, {"none": [10, 20], "bar=3": [5, 10, 7]}),
        ("rate", 8, {"none": [8, 8], "bar=3": [2, 4, 9]}),
    ):
        for perturbation, each in returns.items():
            unit = Unit("up", recipe, steps, None, 0, perturbation)
            found.add(
                {
                    **unit.key,
                    "episode": number,
                    "return": value,
                    "length": 2,
                    **(spent if recipe != "dqn" else {}),
                }
                for number, value in enumerate(each)
            )
    (row,) = summarise(found).robustness
    assert row.dqn_share is not None
    assert row.snn_share is not None
    assert (row.dqn_share.mean, row.snn_share.mean) == (pytest.approx(15 / 30), pytest.approx(6 / 16))
    assert (row.game.dqn.mean, row.game.snn.mean, row.game.episodes) == (pytest.approx(22 / 3), 5.0, 3)


@pytest.mark.parametrize(
    "name", ["fog", "bar", "bar=", "bar=1.5", "gaussian=-1", "gaussian=nan", "weights=inf", "none=1", ""]
)
def test_unknown_perturbations_are_refused(name: str) -> None:
    with pytest.raises(ArgumentError, match="perturbation out of bar"):
        check(replace(SETTINGS, perturbations=(name,)))


def test_the_same_perturbation_twice_is_refused() -> None:
    assert Perturbation.of("bar=3") == Perturbation.of("bar=3.0")
    with pytest.raises(ArgumentError, match="different"):
        check(replace(SETTINGS, perturbations=("bar=3", "bar=3.0")))


def test_what_an_environment_cannot_show_is_said_and_costs_nothing_else(tmp_path: Path) -> None:
    settings = replace(SETTINGS, agents=("cartpole",), recipes=("tan2021",), percentiles=(None,))
    found, broken = run(
        replace(settings, perturbations=("none", "bar=1", "gaussian=0.1")), tmp_path, progress=False
    )
    assert {unit.perturbation for unit, _ in found.episodes} == {"none"}
    assert any("images" in line for line in broken)
    assert any("range" in line for line in broken)
