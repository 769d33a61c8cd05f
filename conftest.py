"""What every test and docstring example runs under: one thread, one seed, a global state that is put back."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest
import torch

hypothesis.settings.register_profile("dqn2snn", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("dqn2snn")

# pytest-xdist starts one process a core; more threads in each only get in each other's way.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _same_weights_in_every_run() -> Iterator[None]:
    """Seed torch's global generator, from which new layers draw their weights, and restore it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
