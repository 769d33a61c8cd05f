"""From a trained Q-network to a spiking one: trace, calibrate, and let a recipe make the plan."""

from __future__ import annotations

from torch import nn

from dqn2snn._utils.host import on_host
from dqn2snn.analysis.suggestion._suggest import check_target, q_values
from dqn2snn.analysis.suggestion._target import plan_for_target, split_held_out
from dqn2snn.errors import ArgumentError
from dqn2snn.network import SpikingQNetwork
from dqn2snn.plan import SpikingPlan
from dqn2snn.recipes import Recipe
from dqn2snn.tracing import trace
from dqn2snn.tracing.calibration import calibrate
from dqn2snn.tracing.observations import Observations, as_tensor


@on_host()
def convert(
    dqn: nn.Module,
    observations: Observations,
    *,
    recipe: str | Recipe = "rate",
    num_steps: int | None = None,
    target_agreement: float | None = None,
    held_out: Observations | None = None,
    grid: int | str | None = "auto",
    backend: str = "snntorch",
    engine: str = "auto",
    progress: bool = True,
) -> SpikingQNetwork:
    """Convert a trained deep Q-network to a spiking network that takes the same decisions.

    The network itself is not changed. Neither rewards nor labels are needed, only observations, which say how
    strongly each layer is active on states that the agent meets (a few thousand, from
    `dqn2snn.collect_observations`, do).

    Args:
        dqn: Maps observations `[B, *shape]` to Q-values `[B, A]`; made of ReLUs and affine layers.
        observations: `[N, *shape]`, exactly as the network sees them.
        recipe: How it is converted, as text or as a `dqn2snn.recipes.Recipe`: a rule ("rate", "burst", "sigma_delta",
            "tan2021", ...), its options, then corrections and fine-tunings with theirs, in order:
            "burst:max_spikes=4", "rate:threshold=max+ftbc+ridge_all". Without any, "rate", "rate_if" and "burst" end in
            the correction "ridge" up to 64 levels, and "rate+none" has none at all; `plan.recipe` is the text of
            what was done.
        num_steps: T, time steps of a decision; by default the rule's own, 32 of "rate".
        target_agreement: In place of `num_steps`: take the fewest steps with which so large a share of
            decisions on held-out observations is the DQN's. They are predicted and then confirmed by
            simulation; `plan.report` says what was tried.
        held_out: On which that is confirmed; by default the last fifth of `observations`, which then serve no
            calibration. Of recipes that remember ("sigma_delta"), in the order of play.
        grid: "auto" puts weights on the finest fixed-point grid of each layer on which all backends give the same
            spikes; a number fixes its fraction bits; None keeps raw floats.
        backend: Whose neurons the network is built of: "snntorch", "norse", or a name out of
            `dqn2snn.neurons.backends.backend_names()`.
        engine: How it is simulated by default: see `SpikingQNetwork`.
        progress: Show a progress bar when standard error is a terminal.

    Returns:
        SpikingQNetwork: The spiking network, with its plan; on the CPU.

    Raises:
        ArgumentError: If an argument is out of range, or a name in the recipe or the backend is unknown.
        CalibrationError: If the observations do not determine the thresholds.
        MissingExtraError: If the backend is not installed.
        ObservationError: If the observations have the wrong shape, or hold NaN or infinity.
        PlanError: If no grid is exact over `num_steps` steps, or 500 steps do not reach the target.
        UnsupportedModuleError: If the network has something without an exact spiking counterpart.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> dqn = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> snn = convert(dqn, torch.rand(100, 4), num_steps=16)
        >>> snn.plan.recipe, snn.plan.num_steps
        ('rate+ridge', 16)
    """
    asked = Recipe.of(recipe)
    percentiles, target = asked.percentiles, _checked_target(target_agreement, num_steps, held_out)
    if target is None:
        num_steps = asked.check_num_steps(num_steps)
    batch, judges = as_tensor(observations), None
    if target is not None:
        batch, judges = split_held_out(batch, held_out)
    graph = trace(dqn, tuple(batch.shape[1:]))
    stats = calibrate(graph, batch, percentiles, progress=progress)

    def plan(num_steps: int | None) -> SpikingPlan:
        return asked.plan(graph, stats, batch, num_steps=num_steps, grid=grid, progress=progress)

    def raw(num_steps: int) -> SpikingPlan:
        return asked.without_steps().plan(graph, stats, batch, num_steps=num_steps, grid=None)

    env = getattr(dqn, "env_id", "")
    if target is None or judges is None:
        return SpikingQNetwork(plan(num_steps), backend, engine, env=env)
    q_dqn = q_values(graph, judges)
    found = plan_for_target(raw, plan, judges, q_dqn, target, engine=engine, progress=progress)
    return SpikingQNetwork(found, backend, engine, env=env)


def _checked_target(
    target: float | None, num_steps: int | None, held_out: Observations | None
) -> float | None:
    if target is None and held_out is None:
        return None
    if target is None or num_steps is not None:
        raise ArgumentError(
            f"Expected target_agreement in place of num_steps, with held_out or without. Found "
            f"target_agreement={target!r} and num_steps={num_steps!r}. Leave one out."
        )
    return check_target(target)
