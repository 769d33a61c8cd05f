"""Metrics: against plain loops over observations, and on a real spiking network of snnTorch neurons."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
import statistics
from collections.abc import Callable
from dataclasses import astuple, dataclass

import pytest
import snntorch as snn
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dqn2snn.dynamics.readout import robust_rate, spike_count
from dqn2snn.errors import ArgumentError
from dqn2snn.metrics import (
    ActionAgreement,
    GapWeightedAgreement,
    QError,
    Regret,
    action_agreement,
    agreement_curve,
    firing_rates,
    gap_weighted_agreement,
    q_error,
    regret,
    saturated_fraction,
    silent_fraction,
    synaptic_operations,
)
from dqn2snn.metrics._streaming import StreamingMetric
from dqn2snn.metrics.confidence import mean_interval, proportion_interval
from dqn2snn.metrics.operations import OperationComparison

Rows = list[list[float]]


def q_pair(seed: int, batch: int = 40, actions: int = 4) -> tuple[Tensor, Tensor]:
    """Q-values with ties, and a noisy copy."""
    generator = torch.Generator().manual_seed(seed)
    q_dqn = torch.randint(-3, 4, (batch, actions), generator=generator).float() / 2
    return q_dqn, q_dqn + torch.randint(-2, 3, (batch, actions), generator=generator).float() / 2


def first_best(row: list[float]) -> int:
    return row.index(max(row))


def loop_agreement(q_dqn: Rows, q_snn: Rows) -> float:
    return statistics.mean(first_best(d) == first_best(s) for d, s in zip(q_dqn, q_snn, strict=True))


def loop_gap_weighted(q_dqn: Rows, q_snn: Rows) -> float:
    gaps = [sorted(d)[-1] - sorted(d)[-2] for d in q_dqn]
    same = [first_best(d) == first_best(s) for d, s in zip(q_dqn, q_snn, strict=True)]
    return sum(g for g, hit in zip(gaps, same, strict=True) if hit) / sum(gaps)


def loop_regret(q_dqn: Rows, q_snn: Rows) -> float:
    return statistics.mean(max(d) - d[first_best(s)] for d, s in zip(q_dqn, q_snn, strict=True))


def loop_relative_regret(q_dqn: Rows, q_snn: Rows) -> float:
    return loop_regret(q_dqn, q_snn) / statistics.mean(max(d) - min(d) for d in q_dqn)


def centred(row: list[float]) -> list[float]:
    return [x - statistics.mean(row) for x in row]


def loop_q_error(q_dqn: Rows, q_snn: Rows) -> float:
    errors = [
        (b - a) ** 2
        for d, s in zip(q_dqn, q_snn, strict=True)
        for a, b in zip(centred(d), centred(s), strict=True)
    ]
    return math.sqrt(statistics.mean(errors))


def loop_relative_q_error(q_dqn: Rows, q_snn: Rows) -> float:
    return loop_q_error(q_dqn, q_snn) / math.sqrt(statistics.mean(x * x for d in q_dqn for x in centred(d)))


# name: function, streaming class, plain loop
METRICS: dict[
    str,
    tuple[Callable[[Tensor, Tensor], float], Callable[[], StreamingMetric], Callable[[Rows, Rows], float]],
] = {
    "agreement": (action_agreement, ActionAgreement, loop_agreement),
    "gap-weighted": (gap_weighted_agreement, GapWeightedAgreement, loop_gap_weighted),
    "regret": (regret, Regret, loop_regret),
    "relative regret": (
        lambda d, s: regret(d, s, relative=True),
        lambda: Regret(relative=True),
        loop_relative_regret,
    ),
    "q error": (q_error, QError, loop_q_error),
    "relative q error": (
        lambda d, s: q_error(d, s, relative=True),
        lambda: QError(relative=True),
        loop_relative_q_error,
    ),
}
every_metric = pytest.mark.parametrize("name", METRICS)


@every_metric
@given(seed=st.integers(0, 10**6), batch=st.integers(1, 20), actions=st.integers(2, 6))
def test_functions_equal_plain_loops(name: str, seed: int, batch: int, actions: int) -> None:
    function, _, loop = METRICS[name]
    q_dqn, q_snn = q_pair(seed, batch, actions)
    q_dqn[0, 0] += 7.0  # some action is always preferred
    assert function(q_dqn, q_snn) == pytest.approx(loop(q_dqn.tolist(), q_snn.tolist()), rel=1e-12, abs=1e-12)


@every_metric
@given(seed=st.integers(0, 10**6), cuts=st.lists(st.integers(1, 39), max_size=6, unique=True))
def test_streaming_equals_the_function_however_the_batches_fall(
    name: str, seed: int, cuts: list[int]
) -> None:
    function, streaming, _ = METRICS[name]
    q_dqn, q_snn = q_pair(seed)
    metric, whole = streaming(), streaming()
    episodes = torch.randint(0, 5, (40,), generator=torch.Generator().manual_seed(seed))
    for a, b in itertools.pairwise([0, *sorted(cuts), 40]):
        metric.update(q_dqn[a:b], q_snn[a:b], episodes[a:b])
    whole.update(q_dqn, q_snn, episodes)
    assert metric.compute().mean == pytest.approx(function(q_dqn, q_snn), rel=1e-12)
    assert astuple(metric.compute()) == pytest.approx(astuple(whole.compute()), rel=1e-9)


@every_metric
def test_one_observation_at_a_time(name: str) -> None:
    function, streaming, _ = METRICS[name]
    q_dqn, q_snn = q_pair(0, batch=300)
    metric = streaming()
    for d, s in zip(q_dqn, q_snn, strict=True):
        metric.update(d[None], s[None])
    interval = metric.compute()
    assert interval.mean == pytest.approx(function(q_dqn, q_snn), rel=1e-12)
    assert interval.low < interval.mean < interval.high
    assert interval.count == 300


@every_metric
def test_reset_forgets_and_copies_remember(name: str) -> None:
    _, streaming, _ = METRICS[name]
    metric, fresh = streaming(), streaming()
    metric.update(*q_pair(1))
    before = metric.compute()
    assert pickle.loads(pickle.dumps(metric)).compute() == before == copy.deepcopy(metric).compute()
    metric.reset()
    with pytest.raises(ArgumentError, match="Call update"):
        metric.compute()
    for m in (metric, fresh):
        m.update(*q_pair(2), episode_ids=list(range(40)))
    assert metric.compute() == fresh.compute() != before


@every_metric
def test_perfect_twins(name: str) -> None:
    function, streaming, _ = METRICS[name]
    q_dqn, _ = q_pair(3)
    assert function(q_dqn, q_dqn.double()) == (1.0 if "agreement" in name or "gap" in name else 0.0)
    with torch.inference_mode():
        metric = streaming()
        metric.update(q_dqn * 1.0, q_dqn * 1.0, episode_ids=[0, 1] * 20)
    metric.update(q_dqn.requires_grad_(), q_dqn, episode_ids=[0, 1] * 20)
    assert metric.compute().mean == function(q_dqn, q_dqn)


def test_streaming_intervals_are_those_of_confidence() -> None:
    q_dqn, q_snn = q_pair(4)
    episodes = [i // 5 for i in range(40)]
    agreement, lost = ActionAgreement(level=0.9), Regret(level=0.9)
    for metric in (agreement, lost):
        metric.update(q_dqn, q_snn, episodes)
    hits = q_dqn.argmax(1) == q_snn.argmax(1)
    assert agreement.compute() == proportion_interval(hits, episodes, level=0.9)
    losses = q_dqn.amax(1) - q_dqn[torch.arange(40), q_snn.argmax(1)]
    assert astuple(lost.compute()) == pytest.approx(
        astuple(mean_interval(losses, clusters=episodes, level=0.9))
    )


def test_full_agreement_is_not_certainty_and_one_episode_is_no_sample() -> None:
    q_dqn, _ = q_pair(5)
    for metric in (ActionAgreement(), GapWeightedAgreement()):
        metric.update(q_dqn, q_dqn, episode_ids=[0, 1] * 20)
        assert metric.compute().high == 1.0 > metric.compute().low
        metric.reset()
        metric.update(q_dqn, q_dqn, episode_ids=[8] * 40)
        assert (metric.compute().low, metric.compute().high) == (0.0, 1.0)


def test_of_equal_q_values_the_first_wins() -> None:
    ties = torch.tensor([[1.0, 1.0, 0.0]])
    assert action_agreement(ties, torch.tensor([[2.0, 0.0, 2.0]])) == 1.0
    assert action_agreement(ties, torch.tensor([[0.0, 2.0, 2.0]])) == 0.0
    assert regret(ties, torch.tensor([[0.0, 2.0, 2.0]])) == 0.0


@given(seed=st.integers(0, 10**6), shift=st.integers(-1000, 1000))
def test_a_common_error_is_no_error(seed: int, shift: int) -> None:
    q_dqn, q_snn = q_pair(seed)
    for function in (action_agreement, gap_weighted_agreement, regret, q_error):
        assert function(q_dqn, q_snn + shift) == pytest.approx(function(q_dqn, q_snn), rel=1e-9, abs=1e-9)
    error = (q_snn - q_dqn).double()
    common = error.mean(1).square().mean().item()
    assert q_error(q_dqn, q_snn) ** 2 + common == pytest.approx(error.square().mean().item())


def test_the_worst_action_everywhere_has_relative_regret_one() -> None:
    q_dqn, _ = q_pair(6)
    assert regret(q_dqn, -q_dqn, relative=True) == 1.0


BAD = torch.tensor([[1.0, math.nan]])


@every_metric
@pytest.mark.parametrize(
    ("q_dqn", "q_snn", "message"),
    [
        (torch.zeros(3, 2), torch.zeros(3, 4), r"\(3, 2\) for the DQN and \(3, 4\)"),
        (torch.zeros(2), torch.zeros(2), r"\[B, A\]"),
        (torch.zeros(0, 2), torch.zeros(0, 2), "non-empty"),
        (BAD, torch.zeros(1, 2), "from the DQN"),
        (torch.zeros(1, 2), BAD, "from the SNN"),
        (torch.zeros(1, 2), torch.tensor([[0.0, math.inf]]), "infinity"),
    ],
)
def test_q_values_that_cannot_be_compared_are_refused(
    name: str, q_dqn: Tensor, q_snn: Tensor, message: str
) -> None:
    function, streaming, _ = METRICS[name]
    for call in (function, streaming().update):
        with pytest.raises(ArgumentError, match=message):
            call(q_dqn, q_snn)


def test_where_nothing_is_at_stake_there_is_nothing_to_weigh() -> None:
    flat = torch.ones(3, 2)
    for call in (gap_weighted_agreement, METRICS["relative regret"][0], METRICS["relative q error"][0]):
        with pytest.raises(ArgumentError, match="weight above 0"):
            call(flat, flat)
    with pytest.raises(ArgumentError, match="two actions"):
        gap_weighted_agreement(flat[:, :1], flat[:, :1])


def test_episode_ids_come_always_or_never() -> None:
    metric = ActionAgreement()
    metric.update(*q_pair(7))
    metric.update(*q_pair(8), episode_ids=range(40))
    with pytest.raises(ArgumentError, match="with every batch or with none"):
        metric.compute()
    with pytest.raises(ArgumentError, match="40 whole-number"):
        ActionAgreement().update(*q_pair(7), episode_ids=[1, 2, 3])


@dataclass(frozen=True)
class Run:
    """A run as `record` returns it."""

    num_steps: int
    q: Tensor
    q_spike: Tensor
    sent: tuple[Tensor, ...]
    layer_names: tuple[str, ...]
    spikes: tuple[Tensor, ...]


def run(observations: Tensor, num_steps: int) -> Run:
    """A small spiking network of stock snnTorch neurons under constant current."""
    generator = torch.Generator().manual_seed(0)
    w1, w2 = (torch.randn(*shape, generator=generator) / 2 for shape in ((12, 6), (3, 12)))
    hidden, output = snn.Leaky(beta=1.0), snn.Leaky(beta=1.0)
    mem1, mem2 = torch.zeros(len(observations), 12), torch.zeros(len(observations), 3)
    spk1, spk2, rec2 = [], [], []
    for _ in range(num_steps):
        spikes, mem1 = hidden(observations @ w1.T, mem1)
        out, mem2 = output(spikes @ w2.T, mem2)
        spk1.append(spikes)
        spk2.append(out)
        rec2.append(mem2 - out)
    hidden_spikes, output_spikes = torch.stack(spk1), torch.stack(spk2)
    steps = torch.arange(1, num_steps + 1).view(-1, 1, 1)
    return Run(
        num_steps=num_steps,
        q=robust_rate(output_spikes.cumsum(0), torch.stack(rec2), steps),
        q_spike=spike_count(output_spikes.cumsum(0), steps),
        sent=(hidden_spikes.sum(0), output_spikes.sum(0)),
        layer_names=("hidden", "output"),
        spikes=(hidden_spikes, output_spikes),
    )


OBSERVATIONS = torch.randn(24, 6, generator=torch.Generator().manual_seed(1))


def test_one_run_gives_the_agreement_of_every_shorter_run() -> None:
    record = run(OBSERVATIONS, 20)
    q_dqn, episodes = record.q[-1], [i // 4 for i in range(24)]
    curve = agreement_curve(record, q_dqn, episode_ids=episodes)
    assert curve.num_steps == tuple(range(1, 21))
    assert curve.robust[-1].mean == 1.0 > curve.robust[0].mean
    for steps in (1, 2, 7, 20):
        shorter = run(OBSERVATIONS, steps)
        for curve_interval, q in (
            (curve.robust[steps - 1], shorter.q[-1]),
            (curve.spike_count[steps - 1], shorter.q_spike[-1]),
        ):
            assert curve_interval == proportion_interval(q_dqn.argmax(1) == q.argmax(1), episodes)


def test_rates_against_the_spikes_themselves() -> None:
    record = run(OBSERVATIONS, 16)
    rates, silent, saturated = firing_rates(record), silent_fraction(record), saturated_fraction(record)
    assert list(rates) == list(silent) == list(saturated) == ["hidden", "output"]
    for name, spikes in zip(record.layer_names, record.spikes, strict=True):
        torch.testing.assert_close(rates[name], spikes.double().mean((0, 1)))
        assert silent[name] == pytest.approx((spikes.amax(0) == 0).double().mean().item())
        assert saturated[name] == pytest.approx((spikes.amin(0) == 1).double().mean().item())
    assert 0 < silent["hidden"] < 1
    assert 0 < saturated["hidden"] < 1


def test_synaptic_operations_against_the_spikes_themselves() -> None:
    record = run(OBSERVATIONS, 16)
    fan_outs = [torch.full((12,), 3), torch.zeros(3, dtype=torch.long)]
    per_decision = synaptic_operations(record.sent, fan_outs)
    assert torch.equal(per_decision, 3.0 * record.spikes[0].double().sum((0, 2)))
    comparison = OperationComparison(per_decision.mean().item(), input_macs=6 * 12, dqn_macs=6 * 12 + 12 * 3)
    assert comparison.operations_ratio == pytest.approx((per_decision.mean().item() + 72) / 108)


def test_synaptic_operations_of_a_convolution_count_its_borders() -> None:
    kernel = torch.ones(1, 1, 3, 3)
    fan_out = torch.nn.functional.conv_transpose2d(torch.ones(1, 1, 2, 2), kernel)[0]
    counts = torch.zeros(1, 1, 4, 4)
    counts[0, 0, 0, 0], counts[0, 0, 1, 1] = 5.0, 2.0
    assert synaptic_operations([counts], [fan_out]).tolist() == [5 * 1 + 2 * 4]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: agreement_curve(r, torch.zeros(5, 3)), r"\(5, 3\) for the DQN"),
        (lambda r: agreement_curve(Run(1, r.q[-1], r.q_spike[-1], (), (), ()), r.q[-1]), r"\[T, B, A\]"),
        (lambda r: firing_rates(Run(1, r.q, r.q, r.sent, ("one",), ())), "1 names"),
        (lambda r: silent_fraction(Run(1, r.q, r.q, (torch.zeros(0, 4),), ("one",), ())), r"\(0, 4\)"),
        (lambda r: synaptic_operations(r.sent, [torch.ones(12)]), r"\[\(12,\)\]"),
        (lambda r: synaptic_operations(r.sent[:1], [torch.ones(4)]), r"\(24, 12\)"),
        (lambda r: synaptic_operations([], []), "one of each per layer"),
    ],
)
def test_records_that_do_not_fit_are_refused(call: Callable[[Run], object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        call(run(OBSERVATIONS, 2))
