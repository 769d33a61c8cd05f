"""Pictures show the numbers that they are given, and leave matplotlib as they found it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from dqn2snn.dynamics.record import Record
from dqn2snn.engine import simulate_reference
from dqn2snn.errors import ArgumentError
from dqn2snn.metrics import agreement_curve
from dqn2snn.metrics.curve import AgreementCurve
from dqn2snn.plot import plot_agreement, plot_decision, plot_q_values, plot_raster
from tests.agents import agent, observations, oracle, plan

NAME = "minatar-breakout"
NUM_STEPS = 40


def record() -> Record:
    return oracle(NAME, 8, NUM_STEPS)


def curve() -> AgreementCurve:
    return agreement_curve(record(), agent(NAME)(observations(NAME)[:8]))


def test_agreement_is_drawn_as_it_is_counted() -> None:
    agreement = curve()
    robust, spike_count = plot_agreement(agreement).lines
    np.testing.assert_array_equal(robust.get_xdata(), agreement.num_steps)
    np.testing.assert_array_equal(robust.get_ydata(), [interval.mean for interval in agreement.robust])
    np.testing.assert_array_equal(
        spike_count.get_ydata(), [interval.mean for interval in agreement.spike_count]
    )
    last = 100 * agreement.robust[-1].mean
    assert robust.get_label() == f"robust rate, {last:.1f} % at T = {NUM_STEPS}"


def test_bands_are_the_intervals() -> None:
    agreement = curve()
    band = plot_agreement(agreement).collections[0].get_paths()[0].vertices
    assert isinstance(band, np.ndarray)
    for step, interval in zip(agreement.num_steps, agreement.robust, strict=True):
        heights = band[band[:, 0] == step, 1]
        assert heights.min() == pytest.approx(interval.low)
        assert heights.max() == pytest.approx(interval.high)


def test_a_raster_has_a_stroke_for_each_spike() -> None:
    kept = record()
    assert kept.spikes is not None
    strokes = [
        c for c in plot_raster(kept, 2, max_neurons=10_000).collections if isinstance(c, LineCollection)
    ]
    for layer, spikes in zip(strokes, kept.spikes, strict=True):
        segments = layer.get_segments()
        assert len(segments) == int(spikes[:, 2].sum())
        steps = sorted(int(segment[0][0]) for segment in segments)
        assert steps == sorted((spikes[:, 2].flatten(1).nonzero()[:, 0] + 1).tolist())


def test_a_raster_says_how_many_neurons_it_leaves_out() -> None:
    axes = plot_raster(record(), max_neurons=50)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["layer 0\n50 of 1,024", "layer 3\n50 of 128", "layer 5\n6 neurons"]
    assert "at most 50 neurons" in axes.get_title()


@pytest.mark.parametrize("centred", [True, False])
def test_q_values_are_drawn_with_those_of_the_dqn(centred: bool) -> None:
    q_dqn = agent(NAME)(observations(NAME)[:8])
    axes = plot_q_values(record(), 3, q_dqn=q_dqn, centred=centred)
    q, target = record().q[:, 3].double().numpy(), q_dqn[3].double().numpy()
    if centred:
        q, target = q - q.mean(1, keepdims=True), target - target.mean()
    for action in range(6):
        solid, dashed = (np.asarray(line.get_ydata()) for line in axes.lines[2 * action : 2 * action + 2])
        np.testing.assert_allclose(solid, q[:, action])
        np.testing.assert_allclose(dashed, target[action])


def test_a_decision_has_both_on_one_time_axis(tmp_path: Path) -> None:
    figure = plot_decision(record(), 1, action_names=list("abcdef"))
    raster, q_values = figure.axes
    assert raster.get_xlim() == q_values.get_xlim()
    figure.savefig(tmp_path / "decision.png")
    assert (tmp_path / "decision.png").read_bytes().startswith(b"\x89PNG")


def test_axes_of_the_caller_are_drawn_in() -> None:
    axes = Figure().subplots()
    assert plot_agreement(curve(), axes) is axes
    assert plot_raster(record(), ax=axes) is axes
    assert plot_q_values(record(), ax=axes) is axes


def test_one_step_is_a_picture_too() -> None:
    short = oracle(NAME, 8, 1)
    plot_decision(short)
    plot_agreement(agreement_curve(short, agent(NAME)(observations(NAME)[:8])))


def test_matplotlib_is_left_as_it_was() -> None:
    def settings() -> dict[str, object]:
        # To ask for the backend is to choose one.
        return {key: matplotlib.rcParams[key] for key in matplotlib.rcParams if key != "backend"}

    before = settings()
    plot_agreement(curve())
    plot_decision(record())
    assert settings() == before


def test_pyplot_is_not_even_imported() -> None:
    program = "import sys, dqn2snn.plot._style as s; s.new_figure(1, 1); sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_record_without_spikes_is_refused() -> None:
    bare = simulate_reference(plan(NAME), observations(NAME)[:1], 4)
    with pytest.raises(ArgumentError, match=r"spikes=True"):
        plot_raster(bare)


@pytest.mark.parametrize("draw", [plot_raster, plot_q_values])
def test_an_observation_that_is_not_there_is_refused(draw: type) -> None:
    with pytest.raises(ArgumentError, match="from 0 to 7, which the record holds"):
        draw(record(), 8)
