"""The plan as a value: steps, synapses, summary, and that nothing in it changes by being read."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import nn

import dqn2snn
from dqn2snn.errors import PlanError
from dqn2snn.plan import SpikingPlan, check_num_steps
from dqn2snn.plan.coding import coding_named
from dqn2snn.plan.summary import COLUMNS
from tests.agents import NAMES, agent, observations, plan


@pytest.mark.parametrize("name", NAMES)
def test_macs_are_those_of_the_network(name: str) -> None:
    """Counted by torch's own counter of operations, two of which are a multiply-accumulate."""
    from torch.utils.flop_counter import FlopCounterMode

    network, seen = agent(name), observations(name)[:1]
    with FlopCounterMode(display=False) as counter:
        network(seen.float())
    assert plan(name).dqn_macs == counter.get_total_flops() // 2
    with FlopCounterMode(display=False) as counter:
        next(network.children())(seen.float())
    assert plan(name).input_macs == counter.get_total_flops() // 2


def converted(network: nn.Module, *shape: int) -> SpikingPlan:
    return dqn2snn.convert(network, torch.rand(64, *shape), num_steps=16).plan


def test_padding_and_pooling_are_counted_as_they_are() -> None:
    """An input at the border of a padded convolution reaches fewer outputs."""
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8, 3)
    )
    made = converted(network, 1, 4, 4)
    per_side = 2 + 3 + 3 + 2
    assert made.input_macs == 2 * per_side**2
    assert torch.equal(made.fan_out(0), torch.full((2, 4, 4), 3.0, dtype=torch.float64))
    assert made.dqn_macs == made.input_macs + 2 * 4 * 4 * 3


def test_fan_out_has_the_shape_of_the_layer() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 4, 3, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3)
    )
    made = converted(network, 1, 6, 6)
    expected = torch.tensor([1.0, 2, 2, 1]).outer(torch.tensor([1.0, 2, 2, 1])).double() * 2
    assert torch.equal(made.fan_out(0), expected.expand(2, 4, 4))
    assert torch.equal(made.fan_out(1), torch.full((4, 2, 2), 3.0).double())


def test_reading_a_plan_in_inference_mode_works() -> None:
    with torch.inference_mode():
        assert plan("cartpole").dqn_macs > 0


@pytest.mark.parametrize("num_steps", [0, -1, 2.0, True, "5", float("nan")])
def test_steps_are_positive_whole_numbers(num_steps: Any) -> None:
    with pytest.raises(PlanError, match=r"positive whole number of steps\. Found num_steps="):
        plan("cartpole").check_steps(num_steps)


def test_steps_of_numpy_are_whole_numbers_too() -> None:
    import numpy as np

    assert check_num_steps(np.int64(7)) == 7
    assert type(check_num_steps(np.int64(7))) is int


def test_the_grid_limits_the_steps_and_raw_floats_do_not() -> None:
    made = plan("cartpole")
    assert made.check_steps(None) == made.num_steps
    assert made.check_steps(1) == 1
    with pytest.raises(PlanError, match=r"at most 500 steps.*Found 501\. Convert with num_steps=501"):
        made.check_steps(501)
    raw = dqn2snn.convert(agent("cartpole"), observations("cartpole"), grid=None).plan
    assert raw.check_steps(10**6) == 10**6


@pytest.mark.parametrize("name", NAMES)
def test_the_summary_names_every_layer_with_its_size_grid_and_scale(name: str) -> None:
    made = plan(name)
    headline, header, *rows = [line for line in made.summary().splitlines() if not set(line) <= set("-+| ─━")]
    assert headline.startswith("tan2021, 500 steps, ")
    assert headline.endswith(f"{made.num_actions} actions")
    assert [word in header for word in COLUMNS] == [True] * 6
    assert len(rows) == len(made.all_layers)
    for row, layer in zip(rows, made.all_layers, strict=True):
        assert row.split()[0] == layer.name
        assert f"{layer.affine.neurons:,}" in row
        assert f"2^-{layer.fraction_bits}" in row
        assert f"{made.report['scales'][layer.name]:.4g}" in row


def test_the_summary_of_raw_floats_says_so() -> None:
    raw = dqn2snn.convert(agent("cartpole"), observations("cartpole"), grid=None).plan
    assert "float" in raw.summary()
    assert "2^-" not in raw.summary()


def test_a_plan_is_frozen() -> None:
    made = plan("cartpole")
    for value in (made, made.output, made.output.affine):
        with pytest.raises(dataclasses.FrozenInstanceError):
            value.name = "other"  # type: ignore[misc]


def test_a_cast_leaves_the_plan_as_it_is() -> None:
    made = plan("minatar-breakout")
    cast = made.cast(torch.float32)
    assert cast.layers[0].affine.weight.dtype == cast.output.threshold.dtype == torch.float32
    assert made.layers[0].affine.weight.dtype == made.output.threshold.dtype == torch.float64
    assert torch.equal(cast.layers[0].affine.weight.double(), made.layers[0].affine.weight)
    assert (cast.layer_names, cast.num_actions, cast.input_shape) == (
        made.layer_names,
        made.num_actions,
        made.input_shape,
    )


def test_a_coding_is_an_object_and_no_name() -> None:
    plan = dqn2snn.convert(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.rand(64, 4)).plan
    with pytest.raises(PlanError, match=r"Expected a Coding\. Found 'delta'\. Use .*coding_named"):
        dataclasses.replace(plan, coding="delta")  # type: ignore[arg-type]
    assert coding_named("delta").name == "delta"
