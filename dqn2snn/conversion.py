"""From a trained Q-network to a spiking one: trace, calibrate, apply a recipe."""

from __future__ import annotations

import inspect

from torch import nn

from dqn2snn._host import on_host
from dqn2snn.calibration import calibrate, check_percentile
from dqn2snn.errors import ArgumentError
from dqn2snn.network import Backend, Engine, SpikingQNetwork
from dqn2snn.observations import Observations, as_tensor
from dqn2snn.plan import check_num_steps
from dqn2snn.recipes import RECIPES, Recipe
from dqn2snn.tracing import trace

__all__ = ["convert"]

_DEFAULT_PERCENTILE = 99.9
_ALWAYS = (99.9, 99.99)


@on_host()
def convert(
    q_network: nn.Module,
    observations: Observations,
    *,
    recipe: str | Recipe = "tan2021",
    num_steps: int = 500,
    percentile: float | None = None,
    grid: int | str | None = "auto",
    backend: Backend = "snntorch",
    engine: Engine = "auto",
    progress: bool = False,
) -> SpikingQNetwork:
    """Convert a trained deep Q-network to a spiking network that takes the same decisions.

    The network itself is not changed. Neither rewards nor labels are needed, only observations, which say how
    strongly each layer is active on states that the agent meets (a few thousand, from
    `dqn2snn.collect_observations`, do).

    Args:
        q_network: Maps observations `[B, *shape]` to Q-values `[B, A]`; made of ReLUs and affine layers.
        observations: `[N, *shape]`, exactly as the network sees them.
        recipe: The conversion rule: "tan2021", "diehl2015", "rueckauer2017", or a function like them.
        num_steps: Time steps of a decision.
        percentile: Of the activations, in (1, 100], for the recipes that have one; by default their own.
        grid: "auto" puts weights on the finest fixed-point grid of each layer on which all backends give the same
            spikes; a number fixes its fraction bits; None keeps raw floats.
        backend: Whose neurons the network is built of: "snntorch" or "norse".
        engine: How it is simulated by default: see `SpikingQNetwork`.
        progress: Show a progress bar.

    Returns:
        SpikingQNetwork: The spiking network, with its plan; on the CPU.

    Raises:
        ArgumentError: If an argument is out of range.
        CalibrationError: If the observations do not determine the thresholds.
        MissingExtraError: If the backend is not installed.
        ObservationError: If the observations have the wrong shape, or hold NaN or infinity.
        PlanError: If no grid is exact over `num_steps` steps.
        UnsupportedModuleError: If the network has something without an exact spiking counterpart.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> q_network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> snn = convert(q_network, torch.rand(100, 4), num_steps=64)
        >>> snn.plan.recipe, snn.plan.num_steps
        ('tan2021', 64)
    """
    build = _recipe(recipe)
    check_num_steps(num_steps)
    taken, options = _percentile(build, percentile)
    batch = as_tensor(observations)
    graph = trace(q_network, tuple(batch.shape[1:]))
    stats = calibrate(graph, batch, sorted({taken, *_ALWAYS}), progress=progress)
    plan = build(graph, stats, num_steps=num_steps, grid=grid, **options)
    return SpikingQNetwork(plan, backend, engine)


def _percentile(build: Recipe, percentile: float | None) -> tuple[float, dict[str, float]]:
    """The percentile that calibration has to take, and what to tell the recipe of it."""
    parameters = inspect.signature(build).parameters
    if percentile is None:
        own = parameters["percentile"].default if "percentile" in parameters else _DEFAULT_PERCENTILE
        return own, {}
    if "percentile" not in parameters:
        name = getattr(build, "__name__", repr(build))
        raise ArgumentError(
            f"Expected no percentile for {name}, which has none. Found {percentile!r}. Leave it out."
        )
    return check_percentile(percentile), {"percentile": percentile}


def _recipe(recipe: str | Recipe) -> Recipe:
    if callable(recipe):
        return recipe
    if not isinstance(recipe, str) or recipe not in RECIPES:
        raise ArgumentError(
            f"Expected a recipe out of {', '.join(RECIPES)}, or a function. Found {recipe!r}. The paper's is tan2021."
        )
    return RECIPES[recipe]
