"""Bad input of every kind: an error of our own, in one sentence that says what to do."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import dqn2snn
from dqn2snn import errors
from dqn2snn.errors import Dqn2SnnError
from tests.agents import agent, observations, plan
from tests.tracing.folding import randomised


def kinds() -> list[type[Dqn2SnnError]]:
    return [getattr(errors, name) for name in errors.__all__]


def test_one_except_catches_them_all() -> None:
    assert all(issubclass(kind, Dqn2SnnError) for kind in kinds())
    defined = {name for name, kind in inspect.getmembers(errors, inspect.isclass)}
    assert defined == set(errors.__all__)


@pytest.mark.parametrize(
    ("kind", "built_in"),
    [
        (errors.ArgumentError, ValueError),
        (errors.ObservationError, ValueError),
        (errors.CalibrationError, ValueError),
        (errors.PlanError, ValueError),
        (errors.UnsupportedModuleError, TypeError),
        (errors.MissingExtraError, ImportError),
    ],
)
def test_callers_who_know_only_pythons_errors_catch_them_too(
    kind: type[Dqn2SnnError], built_in: type[Exception]
) -> None:
    assert issubclass(kind, built_in)


def mlp(*middle: nn.Module) -> nn.Module:
    return randomised(nn.Sequential(nn.Linear(4, 8), *middle, nn.ReLU(), nn.Linear(8, 2)))


def varied(*shape: int) -> Tensor:
    return torch.rand(64, *shape, generator=torch.Generator().manual_seed(0))


def dead() -> nn.Module:
    network = mlp()
    nn.init.constant_(network.get_parameter("0.bias"), -100)
    return network


def with_nan() -> Tensor:
    seen = varied(4)
    seen[5, 2] = float("nan")
    return seen


BAD: dict[str, tuple[Callable[[], Any], type[Dqn2SnnError], str]] = {
    "NaN": (lambda: dqn2snn.convert(mlp(), with_nan()), errors.ObservationError, "index 5"),
    "infinity": (lambda: dqn2snn.convert(mlp(), varied(4) / 0), errors.ObservationError, "64 of 64"),
    "wrong shape": (lambda: dqn2snn.convert(mlp(), varied(5)), errors.ObservationError, r"shape \(5,\)"),
    "no batch": (lambda: dqn2snn.convert(mlp(), torch.rand(4)), errors.ArgumentError, "batch dimension"),
    "no numbers": (lambda: dqn2snn.convert(mlp(), "x"), errors.ObservationError, "Found str"),  # type: ignore[arg-type]
    "empty": (lambda: dqn2snn.convert(mlp(), torch.zeros(0, 4)), errors.CalibrationError, "Collect some"),
    "constant": (lambda: dqn2snn.convert(mlp(), torch.ones(9, 4)), errors.CalibrationError, "all the same"),
    "never fires": (
        lambda: dqn2snn.convert(dead(), varied(4)),
        errors.CalibrationError,
        "layer '0' never fires",
    ),
    "scale <= 0": (
        lambda: dqn2snn.convert(mlp(), varied(4), recipe="tan2021:percentile=1.5"),
        errors.CalibrationError,
        "Use a percentile above",
    ),
    "LSTM": (
        lambda: dqn2snn.convert(nn.Sequential(nn.LSTM(4, 8)), varied(4)),
        errors.UnsupportedModuleError,
        "`0` of type LSTM",
    ),
    "Tanh": (
        lambda: dqn2snn.convert(mlp(nn.Tanh()), varied(4)),
        errors.UnsupportedModuleError,
        "`1` of type Tanh",
    ),
    "max-pool": (
        lambda: dqn2snn.convert(nn.Sequential(nn.Conv2d(1, 1, 3), nn.MaxPool2d(2)), varied(1, 8, 8)),
        errors.UnsupportedModuleError,
        "`1` of type MaxPool2d",
    ),
    "half precision": (
        lambda: dqn2snn.convert(mlp().half(), varied(4)),
        errors.UnsupportedModuleError,
        r"`0\.weight` of torch\.float16",
    ),
    "bfloat16": (
        lambda: dqn2snn.convert(mlp().bfloat16(), varied(4)),
        errors.UnsupportedModuleError,
        r"`0\.weight` of torch\.bfloat16",
    ),
    "no module": (
        lambda: dqn2snn.convert(mlp().state_dict(), varied(4)),  # type: ignore[arg-type]
        errors.UnsupportedModuleError,
        "Found OrderedDict",
    ),
    "no ReLU": (
        lambda: dqn2snn.convert(nn.Sequential(nn.Linear(4, 2)), varied(4)),
        errors.UnsupportedModuleError,
        "nothing to convert",
    ),
    "T = 0": (lambda: dqn2snn.convert(mlp(), varied(4), num_steps=0), errors.PlanError, "num_steps=0"),
    "T absurd": (
        lambda: dqn2snn.convert(mlp(), varied(4), num_steps=10**12),
        errors.PlanError,
        "fewer steps",
    ),
    "fraction": (
        lambda: dqn2snn.convert(mlp(), varied(4), recipe="rate:threshold=0.999"),
        errors.ArgumentError,
        r"mean 99\.9\?",
    ),
    "recipe": (lambda: dqn2snn.convert(mlp(), varied(4), recipe="x"), errors.ArgumentError, "Found 'x'"),
    "grid": (lambda: dqn2snn.convert(mlp(), varied(4), grid="x"), errors.ArgumentError, "Found 'x'"),
    "missing file": (lambda: dqn2snn.load_plan("no/such/plan"), errors.CheckpointError, "no/such/plan"),
    "no place": (
        lambda: dqn2snn.save_plan(plan("cartpole"), "no/such/plan"),
        errors.CheckpointError,
        "no/such",
    ),
}


@pytest.mark.parametrize(("call", "kind", "reason"), BAD.values(), ids=BAD)
def test_bad_input_has_its_own_clear_error(
    call: Callable[[], Any], kind: type[Dqn2SnnError], reason: str
) -> None:
    with pytest.raises(Dqn2SnnError, match=reason) as caught:
        call()
    assert type(caught.value) is kind
    assert_clear(caught.value)


def assert_clear(error: Dqn2SnnError) -> None:
    """What was expected, what was found, and what to do, on one line; nothing of how it was noticed."""
    message = str(error)
    assert message.startswith("Expected ")
    assert "Found " in message
    assert message.split("Found ", 1)[1].count(". ") >= 1, "nothing says what to do"
    assert "\n" not in message
    assert "  " not in message
    assert error.__suppress_context__ or error.__context__ is None


@pytest.fixture(scope="module")
def snn() -> dqn2snn.SpikingQNetwork:
    return dqn2snn.SpikingQNetwork(plan("cartpole"))


OBSERVATIONS: dict[str, tuple[Any, str]] = {
    "NaN": (np.array([[0.0, np.nan, 0.0, 0.0]]), "index 0"),
    "infinity": (torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, -torch.inf, 0.0]]), "index 1"),
    "wrong width": (np.zeros((3, 5)), r"\[3, 5\]"),
    "no batch": (np.zeros(4), r"observations\[None\]"),
    "an image": (np.zeros((1, 4, 84, 84), dtype=np.uint8), r"\[1, 4, 84, 84\]"),
    "complex": (np.zeros((1, 4), dtype=np.complex128), "complex128"),
    "text": ([["a", "b", "c", "d"]], "numbers"),
    "nothing": (None, "NoneType"),
}


@pytest.mark.parametrize(("bad", "reason"), OBSERVATIONS.values(), ids=OBSERVATIONS)
@pytest.mark.parametrize("engine", ["auto", "torch", "modules", "reference"])
def test_a_spiking_network_refuses_bad_observations_in_every_engine(
    bad: Any, reason: str, engine: Any, snn: dqn2snn.SpikingQNetwork
) -> None:
    with pytest.raises(errors.ObservationError, match=reason) as caught:
        snn.record(bad, 3, engine=engine)
    assert_clear(caught.value)


@pytest.mark.parametrize("num_steps", [0, -1, 501, 1.5, True, "3"])
def test_a_spiking_network_refuses_steps_that_it_was_not_made_for(
    num_steps: Any, snn: dqn2snn.SpikingQNetwork
) -> None:
    for call in (snn, snn.record):
        with pytest.raises(errors.PlanError, match="steps") as caught:
            call(observations("cartpole")[:2], num_steps)
        assert_clear(caught.value)


def test_predict_refuses_what_is_neither_an_observation_nor_a_batch(snn: dqn2snn.SpikingQNetwork) -> None:
    for bad in (np.zeros(3), np.zeros((2, 3)), np.zeros((2, 2, 4)), np.full(4, np.nan), "x", None):
        with pytest.raises(errors.ObservationError, match=r"^Expected "):
            snn.predict(bad)  # type: ignore[arg-type]


def test_no_observations_are_answered_with_no_q_values(snn: dqn2snn.SpikingQNetwork) -> None:
    for engine in ("torch", "modules", "reference"):
        assert snn.record(np.zeros((0, 4)), 3, engine=engine).q.shape == (3, 0, 2)


def test_an_agent_that_is_not_in_the_zoo_is_refused_with_those_that_are() -> None:
    with pytest.raises(errors.CheckpointError, match="cartpole, lunarlander"):
        agent("chess")
