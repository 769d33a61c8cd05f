"""Anytime decisions: stop as soon as one action has pulled clear of the others.

An output neuron a with soft reset loses no current, so t Q_a(t) / readout_scale is all the current that has
reached it in t steps, in units of its threshold. A hidden neuron's spikes follow its rate to within about one
spike, however long it fires; one spike of neuron i moves the difference between the actions a and b by
W_ai / theta_a - W_bi / theta_b. If those errors were independent, the difference would be off by about

    s_ab = readout_scale || W_a / theta_a - W_b / theta_b ||_2        (in units of Q, times steps)

at any t, while the difference itself grows with t. So a decision counts as settled at the first checked step t
at which the best action a has, for every other action b,

    t (Q_a(t) - Q_b(t)) >= margin s_ab.

This is a heuristic. The errors are not independent, and transients of deep layers are larger than one spike:
nothing is guaranteed, and the action at T may be another one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real

import torch
from torch import Tensor

from dqn2snn._utils.host import on_host
from dqn2snn.dynamics.record import Record
from dqn2snn.errors import ArgumentError, PlanError
from dqn2snn.plan import PlanOrNetwork, plan_of
from dqn2snn.plan.graph import per_channel
from dqn2snn.plan.ops import run

__all__ = ["Decision", "decide"]

MARGIN = 2.0
"""Of the rule, if no other is given."""

EVERY = 4
"""Steps from one check of the rule to the next, if nothing else is given."""


@dataclass(frozen=True, eq=False)
class Decision:
    """Actions for a batch of observations, and the steps that each took.

    Attributes:
        actions: `[B]` int64; of equal Q-values the first wins.
        steps: `[B]` int64, the step at which each decision was settled, or the last.
        q: `[B, A]`, Q-values by the robust rate at that step, in the DQN's units.
    """

    actions: Tensor
    steps: Tensor
    q: Tensor


def decide(plan: PlanOrNetwork, record: Record, margin: float = MARGIN, every: int = EVERY) -> Decision:
    """The decisions that a record would have settled for.

    Args:
        plan: The spiking network, or its plan.
        record: A simulation of it; undecided observations take all its steps.
        margin: As for `settled`.
        every: As for `settled`.

    Returns:
        Decision: On the device of the record.

    Example:
        >>> from torch import nn
        >>> import dqn2snn
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> snn = dqn2snn.convert(net, torch.rand(64, 4), num_steps=64)
        >>> decision = decide(snn, snn.record(torch.rand(3, 4)))
        >>> decision.actions.shape, bool((decision.steps <= 64).all())
        (torch.Size([3]), True)
    """
    plan = plan_of(plan)
    steps = settled(plan, record.q, margin, every)
    q = record.q[steps - 1, torch.arange(len(steps), device=steps.device)]
    return Decision(q.argmax(dim=1), steps, q)


def settled(plan: PlanOrNetwork, q: Tensor, margin: float = MARGIN, every: int = EVERY) -> Tensor:
    """The step at which each decision is settled, by the rule at the head of this module, in float32.

    Args:
        plan: The spiking network, or its plan.
        q: `[T, B, A]`, Q-values after 1..T steps by the robust rate, of `Record.q`.
        margin: How far, in typical errors, the best action must be ahead; 0 stops at the first check.
        every: Steps from one check to the next; the first is after as many.

    Returns:
        Tensor: `[B]` int64; T for those that were not settled before.

    Raises:
        ArgumentError: If `margin` is not a number of 0 or more, or `every` not a positive whole number.
        PlanError: If the output neurons are reset to zero.

    Example:
        >>> import dqn2snn
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        >>> snn = dqn2snn.convert(net, torch.rand(64, 4), num_steps=64)
        >>> settled(snn, snn.record(torch.rand(2, 4)).q, margin=0.0, every=8)
        tensor([8, 8])
    """
    plan = plan_of(plan)
    check_rule(plan, margin, every)
    num_steps, batch = q.shape[:2]
    checked = q[every - 1 :: every].float()
    steps = every * torch.arange(1, len(checked) + 1, device=q.device)
    best, actions = checked.max(dim=-1, keepdim=True)
    lead = (best - checked) * steps[:, None, None]
    enough = lead >= (margin * separations(plan).float().to(q.device))[actions.squeeze(-1)]
    last = torch.full((1, batch), num_steps, device=q.device)
    return torch.cat([torch.where(enough.all(dim=-1), steps[:, None], num_steps), last]).amin(dim=0)


@on_host()
def separations(plan: PlanOrNetwork) -> Tensor:
    """s_ab: how far one spike more or less of every hidden neuron typically moves two actions apart.

    Args:
        plan: The spiking network, or its plan.

    Returns:
        Tensor: `[A, A]` float64, in the units of Q times steps; 0 on the diagonal.
    """
    plan = plan_of(plan)
    affine = plan.output.cast(torch.float64).affine
    with torch.enable_grad():
        spikes = torch.zeros(plan.num_actions, *affine.in_shape, dtype=torch.float64, requires_grad=True)
        (weights,) = torch.autograd.grad(run(affine.ops, spikes).diagonal().sum(), spikes)
    threshold = per_channel(plan.output.threshold, plan.output.shape).double().expand(plan.num_actions)
    rows = weights.flatten(1) / threshold[:, None]
    distances: Tensor = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
    return abs(plan.readout_scale) * distances


def check_rule(plan: PlanOrNetwork, margin: float, every: int) -> None:
    """Refuse what the rule makes no sense for.

    Args:
        plan: The spiking network, or its plan.
        margin: Of the rule.
        every: Of the rule.

    Raises:
        ArgumentError: If `margin` is not a number of 0 or more, or `every` not a positive whole number.
        PlanError: If the output neurons are reset to zero, or the network is not in rate coding.
    """
    plan = plan_of(plan)
    if isinstance(margin, bool) or not isinstance(margin, Real) or not 0 <= margin < math.inf:
        raise ArgumentError(
            f"Expected a finite margin of 0 or more. Found margin={margin!r}. Use {MARGIN:g}."
        )
    if isinstance(every, bool) or not isinstance(every, Integral) or every < 1:
        raise ArgumentError(
            f"Expected a positive whole number of steps between checks. Found every={every!r}. Use {EVERY}."
        )
    if plan.coding.once or not plan.coding.counted:
        raise PlanError(
            f"Expected a network in rate coding, whose Q-values gain precision with every step. Found {plan.coding} "
            "coding. Use record or stream and a fixed number of steps."
        )
    if plan.output.reset != "subtract":
        raise PlanError(
            "Expected output neurons that are reset by subtraction, whose robust rate is all the current that they "
            f"received. Found reset={plan.output.reset!r}, which discards some. Use record and a fixed number of steps."
        )
