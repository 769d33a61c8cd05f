"""SpikingQNetwork: a Q-function like the network that it was made of, whoever calls it."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from torch import Tensor, nn

import dqn2snn
from dqn2snn.engine.available import why_not
from dqn2snn.engine.registry import PreparedPlan
from dqn2snn.errors import ArgumentError, ObservationError, PlanError
from dqn2snn.network import SpikingQNetwork
from tests import agents
from tests.engines import ENGINES

BACKENDS: list[str] = ["snntorch", "norse"]
FREEWAY = "minatar-freeway"


@pytest.fixture
def snn() -> SpikingQNetwork:
    return SpikingQNetwork(agents.plan("cartpole"))


@pytest.fixture
def observations() -> Tensor:
    return agents.observations("cartpole")[:5]


# Q-values


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_call_is_the_last_step_of_the_record(backend: str, engine: str, observations: Tensor) -> None:
    snn = SpikingQNetwork(agents.plan("cartpole"), backend, engine)
    record = snn.record(observations, 20)
    assert record.num_steps == 20
    assert record.layer_names == snn.plan.layer_names
    assert torch.equal(snn(observations, 20), record.q[-1])
    assert snn(observations, 20).shape == (5, 2)


def test_the_plan_says_how_many_steps_by_default(observations: Tensor) -> None:
    snn = dqn2snn.convert(agents.agent("cartpole"), agents.observations("cartpole"), num_steps=12)
    assert snn.record(observations).num_steps == 12
    assert torch.equal(snn(observations), snn(observations, 12))


@pytest.mark.parametrize("name", agents.NAMES)
def test_it_decides_like_the_network_that_it_was_made_of(name: str) -> None:
    observations = agents.observations(name)[:256]
    q = agents.agent(name)(observations).detach()
    spiking = SpikingQNetwork(agents.plan(name))(observations)
    assert (spiking.argmax(1) == q.argmax(1)).double().mean() > 0.8
    assert (spiking - q).abs().mean() < 0.01 * q.abs().max()
    assert torch.corrcoef(torch.stack([spiking.flatten(), q.flatten()]))[0, 1] > 0.98


def test_the_engine_of_a_call_goes_before_that_of_the_network(observations: Tensor) -> None:
    snn = SpikingQNetwork(agents.plan("cartpole"), engine="reference")
    assert snn.record(observations, 4).q.dtype == torch.float64
    assert snn.record(observations, 4, engine="torch").q.dtype == torch.float32


def test_auto_takes_the_event_engine_where_it_is_and_torch_elsewhere(snn: SpikingQNetwork) -> None:
    choice = snn.engine_in_use
    assert choice.name == ("torch" if why_not() else "event")
    assert choice.reason == (why_not() or "it is the fastest here")
    assert str(choice) == f"{choice.name}: {choice.reason}"
    for engine in ("torch", "modules", "reference"):
        other = SpikingQNetwork(snn.plan, engine=engine)
        assert str(other.engine_in_use) == f"{engine}: it was asked for"


def test_off_the_cpu_auto_takes_torch_and_the_event_engine_is_refused(snn: SpikingQNetwork) -> None:
    elsewhere = PreparedPlan(snn.plan, torch.device("cuda:0"))
    choice = elsewhere.choose("auto")
    assert choice.name == "torch"
    assert choice.reason == "the network is on cuda:0 and the event engine runs on the CPU"
    with pytest.raises(ArgumentError, match=r'Found that the network is on cuda:0.*Use engine="auto"'):
        elsewhere.choose("event")


def test_it_follows_its_modules_from_device_to_device(snn: SpikingQNetwork, observations: Tensor) -> None:
    before = snn(observations, 8)
    snn.network.to("meta")  # stands for any other device
    assert "on meta" in snn.engine_in_use.reason
    snn.network = SpikingQNetwork(snn.plan).network
    assert torch.equal(snn(observations, 8), before)
    snn.to("meta")
    assert "on meta" in snn.engine_in_use.reason


def test_another_plan_is_another_network(snn: SpikingQNetwork, observations: Tensor) -> None:
    before = snn(observations, 8)
    snn.plan = replace(snn.plan, readout_scale=2 * snn.plan.readout_scale)
    for engine in ENGINES:
        torch.testing.assert_close(snn.record(observations, 8, engine=engine).q[-1].float(), 2 * before)


def test_threads_follow_those_of_torch_until_they_are_set(snn: SpikingQNetwork, observations: Tensor) -> None:
    assert snn.num_threads is None
    assert snn._threads() == torch.get_num_threads()
    expected = snn(observations, 8)
    snn.num_threads = 3
    assert snn._threads() == 3
    assert SpikingQNetwork(snn.plan, num_threads=2).num_threads == 2
    assert torch.equal(snn(observations, 8), expected)
    assert copy.deepcopy(snn).num_threads == 3


def test_the_modules_may_be_trained_and_the_plan_stays(snn: SpikingQNetwork, observations: Tensor) -> None:
    before = {engine: snn.record(observations, 50, engine=engine).q.detach() for engine in ENGINES}
    with torch.no_grad():
        for parameter in snn.network.parameters():
            parameter.mul_(1.5)
    assert not torch.equal(snn.record(observations, 50, engine="modules").q, before["modules"])
    assert torch.equal(snn.record(observations, 50, engine="torch").q, before["torch"])
    assert torch.equal(snn.record(observations, 50, engine="reference").q, before["reference"])


# predict, as Stable-Baselines3 has it


@pytest.mark.parametrize("name", ["cartpole", FREEWAY])
def test_predict_takes_one_observation_or_a_batch(name: str) -> None:
    snn, observations = SpikingQNetwork(agents.plan(name)), agents.observations(name)[:6]
    actions, state = snn.predict(observations)
    assert state is None
    assert isinstance(actions, np.ndarray)
    assert actions.dtype == np.int64
    assert actions.tolist() == snn(observations).argmax(1).tolist()
    for observation, action in zip(observations, actions, strict=True):
        one, _ = snn.predict(observation.numpy())
        assert isinstance(one, np.ndarray)
        assert one.shape == ()
        assert one == action


@pytest.mark.parametrize("dtype", [np.uint8, np.float64, np.float16])
def test_predict_takes_arrays_of_any_dtype(dtype: type[np.generic]) -> None:
    snn, observations = SpikingQNetwork(agents.plan(FREEWAY)), agents.observations(FREEWAY)[:6]
    assert (
        snn.predict(observations.numpy().astype(dtype))[0].tolist() == snn.predict(observations)[0].tolist()
    )


def test_predict_has_the_arguments_of_stable_baselines3(snn: SpikingQNetwork, observations: Tensor) -> None:
    state: tuple[np.ndarray[Any, Any], ...] = (np.ones(1),)
    actions, after = snn.predict(
        observations.numpy(), state=state, episode_start=np.ones(5, dtype=bool), deterministic=True
    )
    assert after is state
    assert actions.tolist() == snn.predict(observations)[0].tolist()


@pytest.mark.parametrize("engine", ["auto", "modules"])
def test_predict_hands_on_what_a_network_remembers(engine: str) -> None:
    name = "cartpole"
    snn = dqn2snn.convert(
        agents.agent(name),
        agents.observations(name),
        recipe="sigma_delta",
        num_steps=2,
        engine=engine,
    )
    film, begins = agents.observations(name)[:60].reshape(20, 3, 4), torch.zeros(20, 3, dtype=torch.bool)
    begins[0], begins[7, 1], begins[9] = True, True, True
    stream, state = snn.stream(), None
    for seen, first in zip(film, begins, strict=True):
        actions, state = snn.predict(seen, state=state, episode_start=first.numpy())
        assert actions.tolist() == stream.step(seen, first).argmax(1).tolist()
    one, state = snn.predict(film[0, 0])
    other, state = snn.predict(film[1, 0], state=state)
    stream = snn.stream()
    assert [one, other] == [int(stream.step(film[i, :1]).argmax()) for i in (0, 1)]


def test_predict_refuses_the_state_of_something_else(snn: SpikingQNetwork) -> None:
    name = "cartpole"
    remembers = dqn2snn.convert(
        agents.agent(name), agents.observations(name), recipe="sigma_delta", num_steps=2
    )
    seen = agents.observations(name)[:2]
    for state, found in (((1, 2), r"\(1, 2\)"), (snn.stream(), "that of another network")):
        with pytest.raises(ArgumentError, match=f"that `predict` returned last, or None. Found {found}"):
            remembers.predict(seen, state=state)
    with pytest.raises(ArgumentError, match="one bool for each of 2"):
        remembers.predict(seen, episode_start=np.ones(3, dtype=bool))


def test_an_environment_takes_the_actions(snn: SpikingQNetwork) -> None:
    env = gymnasium.make("CartPole-v1")
    observation, _ = env.reset(seed=0)
    for _ in range(20):
        observation, _, terminated, _, _ = env.step(snn.predict(observation)[0])
        assert not terminated
    env.close()


# summary


def test_the_summary_has_a_row_for_each_layer(snn: SpikingQNetwork) -> None:
    lines = snn.summary().splitlines()
    assert lines[0] == snn.plan.headline
    assert [line.split()[0] for line in lines[-3:]] == list(snn.plan.layer_names)


def test_the_summary_says_how_the_neurons_fire() -> None:
    q_network = nn.Sequential(nn.Linear(1, 4), nn.ReLU(), nn.Linear(4, 1))
    values = {
        "0.weight": [[1.0], [0.5], [-1.0], [-1.0]],
        "0.bias": [0.0] * 4,
        "2.weight": [[1.0] * 4],
        "2.bias": [0.0],
    }
    q_network.load_state_dict({name: torch.tensor(value) for name, value in values.items()})
    snn = dqn2snn.convert(q_network, torch.tensor([[0.5], [1.0]]), num_steps=8, recipe="diehl2015")
    header, *rows = snn.summary(torch.ones(2, 1)).splitlines()[1:]
    assert header.split()[-5:] == ["rate", "silent", "%", "saturated", "%"]
    # The neurons fire at every step, at every other, never and never; the output at every step but the first.
    assert [line.split()[-3:] for line in rows if line.startswith(("0 ", "2 "))] == [
        ["0.375", "50.0", "25.0"],
        ["0.875", "0.0", "0.0"],
    ]


def test_the_representation_names_backend_and_engine(snn: SpikingQNetwork) -> None:
    assert "tan2021, 500 steps, 4 inputs, 2 actions, backend='snntorch', engine='auto'" in repr(snn)


# A module among modules


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_survives_copies(backend: str, observations: Tensor) -> None:
    snn = SpikingQNetwork(agents.plan("cartpole"), backend)
    expected = snn(observations, 30)
    snn.record(observations, 3, engine="modules")  # with gradients
    for twin in (copy.deepcopy(snn), pickle.loads(pickle.dumps(snn))):
        for engine in ENGINES:
            torch.testing.assert_close(twin.record(observations, 30, engine=engine).q[-1].float(), expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_its_state_dict_is_that_of_the_native_network(backend: str) -> None:
    snn = SpikingQNetwork(agents.plan(FREEWAY), backend)
    assert snn.state_dict().keys() == {f"network.{name}" for name in snn.network.state_dict()}
    SpikingQNetwork(agents.plan(FREEWAY), backend).load_state_dict(snn.state_dict())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_the_dtype_of_its_modules_changes_no_answer(
    dtype: torch.dtype, snn: SpikingQNetwork, observations: Tensor
) -> None:
    expected = snn(observations)
    assert torch.equal(snn.to(dtype)(observations), expected)


def test_training_mode_changes_no_answer(snn: SpikingQNetwork, observations: Tensor) -> None:
    assert torch.equal(snn.train()(observations, 20), snn.eval()(observations, 20))


# What it refuses


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (
            torch.tensor([[0.0, 1.0, float("nan"), 0.0], [0.0] * 4]),
            "NaN or infinity in 1 of 2, the first at index 0",
        ),
        (
            torch.tensor([[0.0] * 4, [0.0, float("inf"), 0.0, 0.0]]),
            "NaN or infinity in 1 of 2, the first at index 1",
        ),
        (torch.zeros(2, 5), r"shape \[B, 4\]. Found \[2, 5\]"),
        (torch.zeros(2, 4, 1), r"shape \[B, 4\]. Found \[2, 4, 1\]"),
        (torch.zeros(4), r"Found \[4\]. Add a batch dimension: observations\[None\]"),
        (torch.tensor(1.0), r"shape \[B, 4\]. Found \[\]"),
        (torch.zeros(2, 4, dtype=torch.complex64), "real observations. Found torch.complex64"),
        (np.array([["a", "b", "c", "d"]]), "Expected a tensor or array of numbers. Found ndarray"),
        (np.full((1, 4), np.nan), "NaN or infinity in 1 of 1"),
    ],
    ids=["nan", "inf", "width", "rank", "no batch", "scalar", "complex", "text", "nan array"],
)
def test_bad_observations_are_refused(snn: SpikingQNetwork, engine: str, broken: Any, message: str) -> None:
    with pytest.raises(ObservationError, match=message):
        snn.record(broken, 4, engine=engine)
    if "Add a batch dimension" not in message:
        with pytest.raises(ObservationError, match=message):
            snn.predict(broken)


@pytest.mark.parametrize("num_steps", [0, -3, 2.5, True, "4"])
def test_a_number_of_steps_that_is_none_is_refused(
    snn: SpikingQNetwork, observations: Tensor, num_steps: Any
) -> None:
    for call in (snn, snn.record):
        with pytest.raises(
            PlanError, match=rf"positive whole number of steps. Found num_steps={num_steps!r}"
        ):
            call(observations, num_steps)


def test_more_steps_than_the_grid_is_exact_for_are_refused(
    snn: SpikingQNetwork, observations: Tensor
) -> None:
    with pytest.raises(PlanError, match=r"at most 500 steps.*Found 501. Convert with num_steps=501"):
        snn(observations, 501)


def test_unknown_names_are_refused(snn: SpikingQNetwork, observations: Tensor) -> None:
    name: Any = "numpy"
    with pytest.raises(
        ArgumentError, match=r'engine="auto", "event", "torch", "modules" or "reference". Found \'numpy\''
    ):
        SpikingQNetwork(snn.plan, engine=name)
    with pytest.raises(ArgumentError, match=r"out of snntorch, norse\. Found 'numpy'"):
        SpikingQNetwork(snn.plan, backend=name)
    with pytest.raises(ArgumentError, match="Found 'numpy'"):
        snn.record(observations, engine=name)


@pytest.mark.parametrize("num_threads", [0, -1, 1.5, True, "2"])
def test_a_number_of_threads_that_is_none_is_refused(snn: SpikingQNetwork, num_threads: Any) -> None:
    with pytest.raises(ArgumentError, match=r"positive number of threads, or None\. Found num_threads="):
        snn.num_threads = num_threads
    with pytest.raises(ArgumentError, match="positive number of threads"):
        SpikingQNetwork(snn.plan, num_threads=num_threads)


def test_without_norse_the_error_has_the_pip_line_and_snntorch_works() -> None:
    code = """
import sys

class Uninstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "norse":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Uninstalled())

import torch
from torch import nn
import dqn2snn
from dqn2snn.errors import MissingExtraError

q_network, observations = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), torch.rand(20, 3)
print(dqn2snn.convert(q_network, observations, num_steps=8)(observations).shape)
try:
    dqn2snn.convert(q_network, observations, num_steps=8, backend="norse")
except MissingExtraError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "torch.Size([20, 2])",
        'norse is not installed. Run: pip install "dqn2snn[norse]"',
    ]
