"""What several files of tests of the neurons need."""

from __future__ import annotations

import pytest
from torch import Tensor

from dqn2snn.neurons.snntorch import SNNTorchNetwork, to_snntorch
from tests import agents


@pytest.fixture(scope="module")
def snntorch_freeway() -> tuple[SNNTorchNetwork, Tensor]:
    """A MinAtar network of snnTorch neurons, and four observations."""
    return to_snntorch(agents.plan("minatar-freeway")), agents.observations("minatar-freeway")[:4]
