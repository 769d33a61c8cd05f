"""Readouts: what they equal, in plain loops and in real snnTorch and Norse ones."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import snntorch as snn
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dqn2snn.dynamics.readout import (
    MembranePotential,
    RobustRate,
    RobustSlope,
    SpikeCount,
    membrane_potential,
    robust_rate,
    spike_count,
)
from dqn2snn.dynamics.readout.modules import MembraneTime, Readout
from dqn2snn.dynamics.readout.slope import rate_slope
from dqn2snn.errors import ArgumentError
from dqn2snn.neurons.norse import IFCell
from dqn2snn.neurons.snntorch import IF

READOUTS = [SpikeCount, MembranePotential, RobustRate]


def stacked(records: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    spk_rec, mem_rec = zip(*records, strict=True)
    return torch.stack(spk_rec), torch.stack(mem_rec)


def integrate_and_fire(
    current: Tensor, threshold: float | Tensor, v_init: float | Tensor, *, hard: bool = False
) -> tuple[Tensor, Tensor]:
    """The neuron as a plain loop over [T, B, ...] currents; the membrane is from after the reset."""
    v, records = torch.zeros_like(current[0]) + v_init, []
    for step in current:
        v = v + step
        spikes = (v >= threshold).to(v)
        v = v * (1 - spikes) if hard else v - spikes * threshold
        records.append((spikes, v))
    return stacked(records)


def currents(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def leaky_loop(lif: snn.Leaky, current: Tensor) -> tuple[Tensor, Tensor]:
    mem, records = torch.zeros_like(current[0]), []
    for step in current:
        spk, mem = lif(step, mem)
        records.append((spk, mem))
    return stacked(records)


@given(
    seed=st.integers(0, 10**6),
    steps=st.integers(1, 40),
    threshold=st.floats(0.01, 100.0),
    v_init=st.floats(-50.0, 50.0),
    gain=st.floats(0.01, 50.0),
)
def test_robust_rate_is_the_mean_current_of_a_soft_reset_neuron(
    seed: int, steps: int, threshold: float, v_init: float, gain: float
) -> None:
    current = gain * currents(seed, steps, 2, 3)
    exact = {"threshold": torch.tensor(threshold).double(), "v_init": torch.tensor(v_init).double()}
    read = RobustRate(**exact)(*integrate_and_fire(current, **exact))
    expected = current.sum(0) / (steps * exact["threshold"])
    scale = (gain * 5 + abs(v_init)) / threshold
    torch.testing.assert_close(read, expected, rtol=1e-9, atol=1e-11 * scale + 1e-12)


@given(seed=st.integers(0, 10**6), steps=st.integers(1, 64))
def test_robust_rate_is_exact_to_the_bit_on_a_grid(seed: int, steps: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    current = torch.randint(-512, 512, (steps, 2, 3), generator=generator).float() / 256
    v_init = torch.tensor([0.0, 0.5, -1.25])
    read = RobustRate(v_init=v_init)(*integrate_and_fire(current, 1.0, v_init))
    assert torch.equal(read, current.sum(0) / steps)


def test_robust_rate_of_the_paper() -> None:
    constant = torch.tensor([[0.3, 1.7, -0.4]]).double().expand(49, 1, 3)
    spk_rec, mem_rec = integrate_and_fire(constant, 1.0, 0.0)
    torch.testing.assert_close(RobustRate()(spk_rec, mem_rec), constant[0])
    torch.testing.assert_close(SpikeCount()(spk_rec, mem_rec), torch.tensor([[14 / 49, 1.0, 0.0]]).double())


def test_hard_reset_loses_current_and_the_robust_rate_does_not_restore_it() -> None:
    current = torch.full((20, 1, 1), 0.7)
    spk_rec, mem_rec = integrate_and_fire(current, 1.0, 0.0, hard=True)
    assert RobustRate()(spk_rec, mem_rec).item() == pytest.approx(0.5)


def test_membrane_potential_is_the_mean_current_of_an_accumulator() -> None:
    current = currents(0, 12, 4, 3).float()
    lif = snn.Leaky(beta=1.0, reset_mechanism="none")
    read = MembranePotential()(*leaky_loop(lif, current))
    torch.testing.assert_close(read, current.mean(0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("threshold", [1.0, 0.25, 3.0])
def test_stock_leaky_works_with_its_membrane_from_before_the_reset(threshold: float) -> None:
    current = torch.randint(-16, 40, (30, 5, 4), generator=torch.Generator().manual_seed(0)).float() / 16
    spk_rec, mem_rec = leaky_loop(snn.Leaky(beta=1.0, threshold=threshold), current)
    assert spk_rec[-1].any()
    right = RobustRate(threshold, membrane="before_reset")(spk_rec, mem_rec)
    torch.testing.assert_close(right, current.mean(0) / threshold, rtol=1e-6, atol=1e-6)
    wrong = RobustRate(threshold)(spk_rec, mem_rec)
    torch.testing.assert_close(wrong - right, spk_rec[-1] / len(spk_rec), rtol=1e-5, atol=1e-6)


def test_per_action_thresholds_and_scales_broadcast() -> None:
    threshold, scale = torch.tensor([0.5, 1.0, 2.0]), torch.tensor([10.0, 20.0, 30.0])
    current = currents(1, 16, 2, 3).float()
    records = integrate_and_fire(current, threshold, 0.0)
    read = RobustRate(threshold, scale=scale)(*records)
    torch.testing.assert_close(read, current.mean(0) / threshold * scale, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(SpikeCount(threshold, scale=scale)(*records), records[0].mean(0) * scale)


def test_one_record_gives_the_readout_after_every_step() -> None:
    spk_rec, mem_rec = integrate_and_fire(currents(2, 9, 2, 3), 1.0, 0.5)
    steps = torch.arange(1, 10).view(-1, 1, 1)
    robust = robust_rate(spk_rec.cumsum(0), mem_rec, steps, v_init=0.5, scale=7.0)
    counted = spike_count(spk_rec.cumsum(0), steps, scale=7.0)
    kept = membrane_potential(mem_rec, steps, v_init=0.5, scale=7.0)
    for t in range(1, 10):
        record = spk_rec[:t], mem_rec[:t]
        torch.testing.assert_close(robust[t - 1], RobustRate(v_init=0.5, scale=7.0)(*record))
        torch.testing.assert_close(counted[t - 1], SpikeCount(scale=7.0)(*record))
        torch.testing.assert_close(kept[t - 1], MembranePotential(v_init=0.5, scale=7.0)(*record))


def test_norse_spikes_and_last_state_are_enough() -> None:
    norse = pytest.importorskip("norse.torch")
    current = torch.full((20, 1, 2), 0.75)
    lifted = norse.Lift(norse.SequentialState(norse.IAFCell()))
    spikes, states = lifted(current)
    read = robust_rate(spikes.sum(0), states[0].v, len(spikes))
    expected, _ = integrate_and_fire(current, 1.0, 0.0, hard=True)
    # Norse's own cell resets hard: 10 spikes of 1.5 each, of which the rate shows 1.
    assert torch.equal(spikes, expected)
    assert read.detach().tolist() == [[0.5, 0.5]]


def test_a_soft_reset_norse_loop() -> None:
    norse = pytest.importorskip("norse.torch")
    from norse.torch.functional.reset import reset_subtract

    class SoftResetCell(norse.IAFCell):  # type: ignore[misc, name-defined]
        def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
            v = x if state is None else state.v + x
            z = (v > self.p.v_th).to(v)
            return z, norse.IAFFeedForwardState(v=reset_subtract(z, v, None, self.p.v_th))

    current, cell, state, records = currents(3, 25, 2, 3).float(), SoftResetCell(), None, []
    for step in current:
        z, state = cell(step, state)
        records.append((z, state.v))
    torch.testing.assert_close(RobustRate()(*stacked(records)), current.mean(0), rtol=1e-4, atol=1e-5)
    spikes, states = norse.Lift(norse.SequentialState(SoftResetCell()))(current)
    torch.testing.assert_close(robust_rate(spikes.sum(0), states[0].v, 25), RobustRate()(*stacked(records)))


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize(
    ("given_dtype", "read_dtype"),
    [
        (torch.float64, torch.float64),
        (torch.float32, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
    ],
)
def test_dtypes(readout: type[Readout], given_dtype: torch.dtype, read_dtype: torch.dtype) -> None:
    spk_rec, mem_rec = torch.ones(300, 1, 2, dtype=given_dtype), torch.zeros(300, 1, 2, dtype=given_dtype)
    read = readout()(spk_rec, mem_rec)
    assert read.dtype == read_dtype
    assert torch.equal(readout()(spk_rec.bool(), mem_rec), read)
    assert torch.equal(readout().double()(spk_rec, mem_rec), read)


def test_half_precision_spikes_are_counted_exactly() -> None:
    spk_rec = torch.ones(257, 1, 1, dtype=torch.bfloat16)
    assert SpikeCount(scale=257.0)(spk_rec, spk_rec).item() == 257.0


@pytest.mark.parametrize("readout", READOUTS)
def test_gradients_reach_what_the_readout_reads(readout: type[Readout]) -> None:
    spk_rec, mem_rec = (currents(seed, 6, 2, 3).requires_grad_() for seed in (5, 6))
    module = readout(threshold=0.5, v_init=0.25, scale=3.0).double()
    assert torch.autograd.gradcheck(module, (spk_rec, mem_rec))


@given(st.integers(0, 999))
def test_the_gradient_of_the_robust_rate_is_that_of_the_mean_current(seed: int) -> None:
    # Where a reset has gradients, those of the spikes cancel them. A stock Leaky detaches its reset.
    currents = torch.randn(8, 5, 3, generator=torch.Generator().manual_seed(seed))

    def loop(neuron: Any, x_t: Tensor) -> tuple[Tensor, Tensor]:
        state, records = torch.zeros(5, 3) if isinstance(neuron, snn.Leaky) else None, []
        for x in x_t:
            spikes, state = neuron(x, state)
            records.append((spikes, state if isinstance(state, Tensor) else state.v))
        spk_rec, mem_rec = (torch.stack(record) for record in zip(*records, strict=True))
        return spk_rec, mem_rec

    for neuron, readout, detach in (
        (IFCell(), RobustRate(), False),
        (IF(), RobustRate(), False),
        (snn.Leaky(beta=1.0), RobustRate(membrane="before_reset"), True),
    ):
        inputs = currents.clone().requires_grad_()
        spk_rec, mem_rec = loop(neuron, inputs)
        rates = readout(spk_rec.detach() if detach else spk_rec, mem_rec)
        assert torch.allclose(rates, currents.mean(0), atol=1e-6)
        (gradient,) = torch.autograd.grad(rates.sum(), inputs)
        assert torch.allclose(gradient, torch.full_like(gradient, 1 / 8), atol=1e-6)


@pytest.mark.parametrize("readout", READOUTS)
def test_copies_read_the_same(readout: type[Readout]) -> None:
    records = integrate_and_fire(currents(4, 8, 2, 3).float(), 0.5, 0.0)
    module = readout(torch.tensor([0.5, 0.5, 1.0]), torch.tensor([0.1, 0.0, 0.0]), 4.0)
    fresh = readout(torch.ones(3), torch.zeros(3), 1.0)
    fresh.load_state_dict(module.state_dict())
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), fresh):
        assert torch.equal(twin(*records), module(*records))
    read = module(*records)
    with torch.inference_mode():
        assert torch.equal(module(*records), read)


def test_a_pickle_remembers_where_the_membrane_comes_from() -> None:
    module = pickle.loads(pickle.dumps(RobustRate(membrane="before_reset")))
    assert module.membrane == "before_reset"
    assert "before_reset" in repr(module)


def test_buffers_are_copies_and_move_with_the_module() -> None:
    threshold = torch.ones(3)
    module = RobustRate(threshold, 0)
    threshold.zero_()
    assert module.threshold.tolist() == [1.0, 1.0, 1.0]
    assert module.double().v_init.dtype == torch.float64


RECORD = torch.zeros(4, 2, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RobustRate()(RECORD, RECORD[-1]), r"\(4, 2, 3\) and \(2, 3\)"),
        (lambda: RobustRate()(RECORD, RECORD[-1:]), r"robust_rate\(spk_rec.sum\(0\), mem, num_steps\)"),
        (lambda: SpikeCount()(RECORD, RECORD[:, :1]), "one shape"),
        (lambda: MembranePotential()(RECORD[:0], RECORD[:0]), "at least one step"),
        (lambda: RobustRate()(RECORD[0, 0], RECORD[0, 0]), "new first dimension"),
        (
            lambda: RobustRate(torch.ones(4))(RECORD, RECORD),
            r"`threshold` to broadcast to one step, \(2, 3\)",
        ),
        (lambda: RobustRate(scale=torch.ones(4, 2, 3))(RECORD, RECORD), "`scale` to broadcast"),
        (lambda: RobustRate(0.0), "above 0"),
        (lambda: SpikeCount(scale=math.inf), "`scale` to be finite. Found inf"),
        (lambda: MembranePotential(v_init=math.nan), "`v_init` to be finite"),
        (lambda: RobustRate(membrane="after"), "before_reset"),  # type: ignore[arg-type]
    ],
)
def test_what_would_be_misread_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        call()


def test_the_slope_is_the_least_squares_line_through_the_origin() -> None:
    generator = torch.Generator().manual_seed(0)
    rates = torch.randn(30, 4, 3, generator=generator, dtype=torch.float64)
    slopes = rate_slope(rates)
    for steps in (1, 2, 30):
        t = torch.arange(1, steps + 1, dtype=torch.float64)
        charge = (t[:, None, None] * rates[:steps]).flatten(1)
        expected = torch.linalg.lstsq(t[:, None], charge).solution.reshape(4, 3)
        torch.testing.assert_close(slopes[steps - 1], expected)


@pytest.mark.parametrize("membrane", ["after_reset", "before_reset"])
def test_the_slope_of_a_record_is_that_of_its_robust_rates(membrane: MembraneTime) -> None:
    generator = torch.Generator().manual_seed(1)
    spk_rec = (torch.rand(20, 3, 2, generator=generator) < 0.4).float()
    mem_rec = torch.randn(20, 3, 2, generator=generator)
    rate, slope = RobustRate(2.0, 0.5, 3.0, membrane=membrane), RobustSlope(2.0, 0.5, 3.0, membrane=membrane)
    rates = torch.stack([rate(spk_rec[:t], mem_rec[:t]) for t in range(1, 21)])
    torch.testing.assert_close(slope(spk_rec, mem_rec), rate_slope(rates)[-1])


def test_the_error_of_the_slope_falls_faster() -> None:
    """A neuron that rounds currents: the mean error over many of them, at two lengths."""
    currents = torch.rand(4000, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    steps = torch.arange(1, 257, dtype=torch.float64)[:, None]
    rates = torch.floor(currents * steps + 0.5) / steps
    errors = {
        name: [float((q[t - 1] - currents).square().mean().sqrt()) for t in (16, 256)]
        for name, q in (("rate", rates), ("slope", rate_slope(rates)))
    }
    assert errors["rate"][0] / errors["rate"][1] == pytest.approx(16, rel=0.2)
    assert errors["slope"][0] / errors["slope"][1] > 40
