from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from dqn2snn.engine import simulate_reference
from dqn2snn.network import SpikingQNetwork
from measuring.__main__ import main
from measuring.speed import crossover
from measuring.speed.crossover import crossing
from measuring.speed.probe import LayerTimes, measure, probe
from measuring.speed.timing import Budget
from tests import agents

SHORT = Budget(sample=0.0, contestant=0.0, rounds=(1, 1))


@pytest.mark.parametrize("name", ["minatar-freeway", "cartpole"])
def test_a_probe_fires_its_inputs_at_the_rates_of_the_observation_and_nothing_else(name: str) -> None:
    layer = agents.plan(name).layers[1]
    rates = torch.rand(2, *layer.affine.in_shape, generator=torch.Generator().manual_seed(0))
    source, tested, output = simulate_reference(probe(layer, 100), rates, 100).counts
    assert torch.all((source - 100 * rates).abs() < 1.01)
    assert not tested.any()
    assert not output.any()


def test_the_torch_engine_agrees_about_a_probe() -> None:
    plan = probe(agents.plan("minatar-freeway").layers[1], 20)
    rates = torch.rand(2, *plan.input_shape, generator=torch.Generator().manual_seed(0))
    record = SpikingQNetwork(plan, engine="torch").record(rates)
    assert all(
        map(torch.equal, record.counts, [c.float() for c in simulate_reference(plan, rates, 20).counts])
    )


def _event_engine() -> None:
    from dqn2snn.engine.event import refusal

    if (reason := refusal(probe(agents.plan("cartpole").layers[1], 20))) is not None:
        pytest.skip(reason)


def test_a_layer_is_timed_both_ways() -> None:
    _event_engine()
    times = measure(agents.plan("minatar-freeway").layers[1], 0.3, SHORT)
    assert times.rate == 0.3
    assert times.event >= 0
    assert times.dense > 0


@pytest.mark.parametrize(
    ("events", "expected"), [((1.0, 2.0, 3.0), None), ((1.0, 2.0, 6.0), 0.45), ((5.0, 6.0, 7.0), 0.1)]
)
def test_the_crossing_lies_between_two_rates(events: tuple[float, ...], expected: float | None) -> None:
    times = [LayerTimes(rate, event, 4.0) for rate, event in zip((0.1, 0.3, 0.6), events, strict=True)]
    assert crossing(times) == (None if expected is None else pytest.approx(expected))


@pytest.mark.slow
def test_the_command_writes_its_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _event_engine()
    assert main(["crossover", "--network", "cartpole", "--quick", "--output", str(tmp_path)]) == 0
    assert "equal at" in capsys.readouterr().out
    results = json.loads((tmp_path / "crossover.json").read_text(encoding="utf-8"))
    assert [time["rate"] for time in results["layers"]["2"]["times"]] == list(crossover.RATES)


def test_the_command_refuses_an_unknown_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crossover", "--network", "chess", "--output", str(tmp_path)]) == 2
    assert "chess" in capsys.readouterr().err
