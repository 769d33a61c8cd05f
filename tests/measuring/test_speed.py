from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from dqn2snn.dynamics.encode import constant_current
from dqn2snn.engine import simulate_reference
from dqn2snn.errors import CheckpointError, PlanError
from measuring.__main__ import main
from measuring.speed import command, workloads
from measuring.speed.atari import random_play
from measuring.speed.checking import check, differing_outputs
from measuring.speed.exact import exact_in_float32
from measuring.speed.memory import peak_memory
from measuring.speed.nature import nature_network, with_rates
from measuring.speed.peers import CONTESTANTS, Contestant, Simulation, UnavailableError, build
from measuring.speed.peers.contestant import library
from measuring.speed.ratios import comparisons, correct_peers, incorrect
from measuring.speed.report import markdown, text
from measuring.speed.run import Results, run
from measuring.speed.settings import Cell, Settings, cells
from measuring.speed.timing import Budget, Timing, time_together
from measuring.speed.workloads import Workload
from tests import agents
from tests.geometries import plans

OTHER_SPIKES = {"snntorch", "snntorch-every-step", "norse", "norse-every-step"}
"""Contestants whose neurons fire above the threshold only, or are reset to zero."""

TINY = Settings(
    networks=("cartpole",),
    num_steps=(2, 4),
    batches=(1, 3),
    threads=(1,),
    check_steps=16,
    memory=None,
    budget=Budget(sample=0.0, contestant=0.0, rounds=(1, 1)),
)


def workload(name: str) -> Workload:
    plan, observations = exact_in_float32(agents.plan(name), agents.observations(name))
    return Workload(name, "", agents.agent(name), plan, observations)


def built(contestant: Contestant, on: Workload) -> Simulation:
    simulation = build(contestant, on.plan, on.dqn)
    if isinstance(simulation, UnavailableError):
        pytest.skip(str(simulation))
    return simulation


def contestant(name: str) -> Contestant:
    return next(each for each in CONTESTANTS if each.name == name)


@pytest.fixture(scope="module")
def tiny() -> Results:
    return run(TINY)


@pytest.mark.parametrize("name", ["cartpole", "minatar-freeway"])
@pytest.mark.parametrize("each", CONTESTANTS, ids=lambda each: each.name)
def test_a_contestant_gives_the_spikes_of_the_reference_or_is_known_not_to(
    each: Contestant, name: str
) -> None:
    on = workload(name)
    simulation = built(each, on)
    observations = on.batch(16)
    for _ in range(2):  # the second time from the state that the first one left
        outcome = check(simulation, on.plan, observations, simulate_reference(on.plan, observations, 60))
        assert (outcome is None) == (each.kind == "dqn")
        if outcome is not None:
            assert outcome.equal == (each.name not in OTHER_SPIKES)
            assert outcome.compared == 16 * sum(layer.affine.neurons for layer in on.plan.layers)


@pytest.mark.parametrize("each", CONTESTANTS, ids=lambda each: each.name)
def test_a_contestant_leaves_the_observations_alone_and_takes_batches_of_any_size(each: Contestant) -> None:
    on = workload("cartpole")
    simulation = built(each, on)
    observations = on.batch(5)
    before = observations.clone()
    whole = simulation.q(observations, 20)
    alone = torch.cat([simulation.q(observations[i : i + 1], 20) for i in range(5)])
    assert torch.equal(observations, before)
    torch.testing.assert_close(whole, alone)


def test_one_spike_too_few_is_found() -> None:
    on = workload("cartpole")
    right = built(contestant("torch"), on)
    observations = on.batch(4)
    reference = simulate_reference(on.plan, observations, 30)

    def counts(observations: Tensor, num_steps: int) -> tuple[Tensor, ...]:
        first, *others = right.counts(observations, num_steps) if right.counts else ()
        wrong = first.clone()
        wrong[wrong > 0] -= torch.nn.functional.one_hot(torch.tensor(3), int((wrong > 0).sum()))
        return (wrong, *others)

    outcome = check(replace(right, counts=counts), on.plan, observations, reference)
    assert outcome is not None
    assert outcome.mismatches == (1, 0)
    assert not outcome.equal
    assert outcome.to_dict()["mismatches"] == [1, 0]


def test_outputs_that_differ_by_a_step_of_the_grid_are_found_and_rounding_is_not() -> None:
    plan = workload("minatar-breakout").plan
    steps = 64
    q = simulate_reference(plan, workload("minatar-breakout").batch(8), steps).q[-1]
    assert plan.output.fraction_bits is not None
    step = plan.readout_scale * 2.0**-plan.output.fraction_bits / steps
    assert differing_outputs(plan, q.float(), q, steps) == 0
    assert differing_outputs(plan, q + step, q, steps) == q.numel()
    assert differing_outputs(plan, torch.full_like(q, torch.nan), q, steps) == q.numel()


@given(plans())
@settings(max_examples=25)
def test_float32_computes_the_first_layer_exactly_in_any_order(case: tuple[object, Tensor]) -> None:
    plan, observations = exact_in_float32(*case)  # type: ignore[arg-type]
    layer = plan.layers[0]
    single, double = layer.cast(torch.float32), layer.cast(torch.float64)
    assert torch.equal(single.affine(observations).double(), double.affine(observations.double()))
    clamped = torch.minimum(double.affine(observations.double()).clamp(min=0), double.threshold)
    assert torch.equal(constant_current(plan, observations), clamped)


def test_whole_numbers_and_their_plan_keep_their_values() -> None:
    plan, observations = agents.plan("minatar-freeway"), agents.observations("minatar-freeway")
    exact, same = exact_in_float32(plan, observations)
    assert exact.input_bits == 0
    assert torch.equal(same, observations)
    gap = (exact.layers[0].affine.weight - plan.layers[0].affine.weight).abs().max()
    assert gap <= 2.0**-15 + 2.0**-30


def test_raw_floats_are_refused() -> None:
    plan = replace(agents.plan("cartpole").layers[0], fraction_bits=None)
    raw = replace(agents.plan("cartpole"), layers=(plan, *agents.plan("cartpole").layers[1:]))
    with pytest.raises(PlanError, match="raw floats"):
        exact_in_float32(raw, agents.observations("cartpole"))


def test_rounds_are_interleaved_and_begin_with_another_one_each_time() -> None:
    order: list[str] = []

    def call(name: str) -> Callable[[], Tensor]:
        def run() -> Tensor:
            order.append(name)
            return torch.tensor(float(len(order)))

        return run

    timings, results = time_together(
        {name: call(name) for name in "abc"}, Budget(sample=0.0, contestant=10.0, rounds=(1, 3))
    )
    assert "".join(order[-9:]) == "abcbcacab"
    assert [int(results[name]) for name in "abc"] == [1, 3, 5]
    for timing in timings.values():
        assert timing.samples == 3
        assert 0 < timing.wall_min <= timing.wall_median


def test_a_long_call_is_made_once() -> None:
    calls = 0

    def long() -> Tensor:
        nonlocal calls
        calls += 1
        return torch.tensor(0.0)

    timings, _ = time_together({"long": long}, Budget(long_call=0.0))
    assert calls == timings["long"].samples == timings["long"].calls_a_sample == 1


def test_cells_come_short_calls_first() -> None:
    order = list(cells(Settings(networks=("cartpole",), threads=(1,), batches=(32, 1), num_steps=(64, 4))))
    assert [(cell.batch, cell.num_steps) for cell in order] == [(1, 4), (1, 64), (32, 4), (32, 64)]


def test_a_run_has_all_cells_and_survives_json(tiny: Results) -> None:
    assert json.loads(json.dumps(tiny, allow_nan=False)) == tiny
    assert [Cell.of(entry) for entry in tiny["cells"]] == list(cells(TINY))
    assert tiny["networks"]["cartpole"]["checks"]["torch"]["equal"]
    for cell in tiny["cells"]:
        assert cell["contestants"]["torch"]["differing_outputs"] == 0
        assert cell["contestants"]["dqn"]["cpu_min"] > 0
    taken = set(tiny["networks"]["cartpole"]["checks"]) | set(tiny["networks"]["cartpole"]["unavailable"])
    expected = {each.name for each in CONTESTANTS if each.kind != "dqn" and not each.every_step}
    assert taken == expected


def test_nobody_is_timed_beyond_the_budget_and_the_results_say_so() -> None:
    budget = replace(TINY.budget, longest_call=0.0)
    results = run(replace(TINY, batches=(1,), budget=budget))
    first, second = results["cells"]
    assert "skipped" not in first["contestants"]["torch"]  # nothing was known yet
    assert "the budget is 0 s" in second["contestants"]["torch"]["skipped"]
    assert "cpu_min" in second["contestants"]["dqn"]
    assert "T=4 B=1, 1 threads: torch was not timed" in text(results)


def test_a_resumed_run_measures_only_what_is_missing(tiny: Results) -> None:
    part = copy.deepcopy(tiny)
    del part["cells"][2:]
    kept = copy.deepcopy(part["cells"])
    resumed = run(TINY, earlier=part)
    assert resumed["cells"][:2] == kept
    assert len(resumed["cells"]) == 4
    told: list[str] = []
    assert run(TINY, earlier=resumed, tell=told.append) == resumed
    assert told == []


def test_only_correct_peers_are_compared_with(tiny: Results) -> None:
    results = copy.deepcopy(tiny)
    entry = results["cells"][0]["contestants"]
    timing = Timing(1e-9, 1e-9, 1e-9, 1e-9, 1, 1).to_dict()
    entry["norse"] = timing
    results["networks"]["cartpole"]["checks"]["norse"] = {
        **results["networks"]["cartpole"]["checks"]["torch"],
        "equal": False,
    }
    entry["snntorch-at-threshold"] = {**timing, "cpu_min": 6.0}
    entry["snntorch-if"] = {**timing, "cpu_min": 1.0}  # our neurons: nobody's competition
    entry["torch"]["cpu_min"], entry["dqn"]["cpu_min"], entry["dqn-channels-last"]["cpu_min"] = 3.0, 1.5, 2.0
    for name in (
        "snntorch",
        "spikingjelly",
        "spikingjelly-multi",
        "sinabs",
    ):
        entry.pop(name, None)
    comparison = next(comparisons(results))
    assert comparison.peer == "snntorch-at-threshold"
    assert comparison.to_peer["torch"] == 2.0
    assert comparison.to_dqn["torch"] == 2.0
    assert "norse does not give the reference's spikes" in text(results)


def test_peers_as_in_tutorials_are_a_choice_of_their_own() -> None:
    results = run(replace(TINY, num_steps=(2,), batches=(1,), every_step=True))
    (tutorial,), (any_form,) = comparisons(results, every_step=True), comparisons(results)
    assert tutorial.peer is not None
    assert tutorial.peer.endswith("-every-step")
    assert any_form.to_peer["torch"] <= tutorial.to_peer["torch"]


def test_whoever_differs_in_a_cell_is_not_correct(tiny: Results) -> None:
    results = copy.deepcopy(tiny)
    assert "snntorch-at-threshold" in correct_peers(results, "cartpole")
    results["cells"][1]["contestants"]["snntorch-at-threshold"]["differing_outputs"] = 2
    assert "snntorch-at-threshold" not in correct_peers(results, "cartpole")
    assert incorrect(results, "cartpole")["snntorch-at-threshold"]["in_cells"] == 2


def test_the_table_of_a_page_has_a_row_for_each_cell(tiny: Results) -> None:
    lines = markdown(tiny, "cartpole", 1).splitlines()
    assert len(lines) == 2 + len(tiny["cells"])
    assert len({line.count("|") for line in lines}) == 1


def test_the_seeded_network_fires_as_told_to() -> None:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (12, 4, 84, 84), generator=generator).float()
    network = with_rates(nature_network(), frames, 0.1)
    assert network[0].weight.shape == (32, 4, 8, 8)
    x = frames
    for module in list(network)[:-1]:
        x = module(x)
        if isinstance(module, torch.nn.ReLU):
            top = x.flatten().kthvalue(int(0.999 * x.numel())).values
            assert 0.08 < float(x.mean() / top) < 0.12


def test_frames_are_those_of_random_play() -> None:
    pytest.importorskip("ale_py")
    frames = random_play(["pong", "breakout"], 6, seed=1)
    assert frames.shape == (6, 4, 84, 84)
    assert torch.equal(frames, frames.round())
    assert frames.min() >= 0
    assert 100 < frames.max() <= 255
    assert len({frame.sum().item() for frame in frames}) == 6
    assert torch.equal(frames, random_play(["pong", "breakout"], 6, seed=1))


def test_the_networks_are_known_by_name() -> None:
    assert workloads.load("cartpole").rates().keys() == {"0", "2"}
    with pytest.raises(CheckpointError, match="chess"):
        workloads.load("chess")


def test_a_library_whose_import_fails_takes_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_library.py").write_text("raise RuntimeError('no operator')\n")
    (tmp_path / "needy_library.py").write_text("import something_missing\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UnavailableError, match="its import fails: RuntimeError: no operator"):
        library("broken_library", "broken-library")
    with pytest.raises(UnavailableError, match=r"something_missing is missing\). Run: pip install needy"):
        library("needy_library", "needy")


@pytest.mark.slow
def test_the_peak_of_a_simulation_is_measured_in_another_process() -> None:
    outcome = peak_memory(workload("cartpole"), contestant("torch"), 500, 32)
    assert 0 <= outcome["mebibytes"] < 100
    missing = replace(contestant("torch"), name="nobody")
    assert "failed with status 1" in peak_memory(workload("cartpole"), missing, 1, 1)["skipped"]


def test_the_command_writes_results_and_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--quick", "--networks", "cartpole", "--steps", "2", "--batches", "1", "--output", str(tmp_path)]
    assert main(["speed", *small]) == 0
    assert "fastest correct peer" in capsys.readouterr().out
    results = json.loads((tmp_path / command.DATA).read_text(encoding="utf-8"))
    assert len(results["cells"]) == 1
    assert (tmp_path / command.PICTURE).read_bytes().startswith(b"\x89PNG")
    assert main(["speed", *small, "--resume", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == results


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "0"], "whole number above 0"),
        (["--networks", "chess", "--no-memory"], "or the name of an agent"),
        (["--resume", "--quick"], "Found others"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny: Results
) -> None:
    (tmp_path / command.DATA).write_text(json.dumps(tiny), encoding="utf-8")
    assert main(["speed", *arguments, "--output", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
