"""One word for a thing, in all public signatures."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from tests.public import public_callables

INNER = (
    "dqn2snn.benchmark",
    "dqn2snn.cli",
    "dqn2snn.dynamics",
    "dqn2snn.engine",
    "dqn2snn.neurons",
)
"""Rooms whose functions few users call."""

FORBIDDEN = {
    "done": "episode_start",
    "first": "episode_start",
    "max_steps": "num_steps of a decision, max_episode_steps of an environment",
    "module": "dqn",
    "network": "dqn",
    "q_function": "policy",
    "q_network": "dqn",
    "steps": "num_steps of a decision, updates of a training",
    "target": "target_agreement",
}
"""Words for which there is another."""

KNOWN = {"dqn2snn.trace", "dqn2snn.load_q_network", "dqn2snn.QNetwork.__init__"}
"""They take any torch module, which need not be a DQN yet."""


def _functions() -> dict[str, Callable[..., Any]]:
    return {name: each for name, each in public_callables() if not name.startswith(INNER)}


FUNCTIONS = _functions()


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_signature_uses_the_words_of_the_field(name: str) -> None:
    parameters = inspect.signature(FUNCTIONS[name]).parameters
    found = {} if name in KNOWN else {word: FORBIDDEN[word] for word in parameters if word in FORBIDDEN}
    assert not found
    if "dqn" in parameters and "snn" in parameters:
        assert list(parameters).index("dqn") < list(parameters).index("snn")
    if "progress" in parameters and parameters["progress"].default is not inspect.Parameter.empty:
        assert parameters["progress"].default is True
    if "episodes" in parameters:
        assert parameters["episodes"].annotation in ("int", int), "a vector of episodes is episode_ids"
