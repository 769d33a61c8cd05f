"""The metric of torchmetrics equals `action_agreement` on all observations, however they were dealt out."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import tempfile
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dqn2snn import metrics
from dqn2snn.errors import ArgumentError

torchmetrics = pytest.importorskip("torchmetrics")

from dqn2snn.metrics.torchmetrics import ActionAgreement  # noqa: E402


def q_values(seed: int, count: int = 40, actions: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Q-values with many ties, and episodes."""
    generator = torch.Generator().manual_seed(seed)
    q_dqn, q_snn = torch.randint(-2, 3, (2, count, actions), generator=generator).float()
    return q_dqn, q_snn, torch.randint(0, 6, (count,), generator=generator)


def fed(metric: Any, seed: int, sizes: list[int], told: bool) -> Any:
    q_dqn, q_snn, episodes = q_values(seed, sum(sizes))
    for batch in zip(*(x.split(sizes) for x in (q_dqn, q_snn, episodes)), strict=True):
        metric.update(*(batch if told else batch[:2]))
    return metric


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 99), sizes=st.lists(st.integers(1, 30), min_size=1, max_size=6), told=st.booleans()
)
def test_any_split_gives_what_the_whole_gives(seed: int, sizes: list[int], told: bool) -> None:
    metric = fed(ActionAgreement(), seed, sizes, told)
    q_dqn, q_snn, _ = q_values(seed, sum(sizes))
    assert metric.compute().item() == metrics.action_agreement(q_dqn, q_snn)
    assert metric.compute().dtype == torch.float64
    expected = fed(metrics.ActionAgreement(), seed, sizes, told).compute()
    found = metric.interval()
    assert (found.mean, found.count) == (expected.mean, expected.count)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_forward_gives_the_batch_and_remembers_all() -> None:
    metric = ActionAgreement()
    q_dqn, q_snn, episodes = q_values(1)
    for rows in torch.arange(40).split(7):
        now = metric(q_dqn[rows], q_snn[rows], episodes[rows])
        assert now.item() == metrics.action_agreement(q_dqn[rows], q_snn[rows])
    assert metric.compute().item() == metrics.action_agreement(q_dqn, q_snn)
    assert metric.interval().count == 40


def test_in_a_collection_beside_a_metric_of_torchmetrics_itself() -> None:
    q_dqn, q_snn, episodes = q_values(2)
    distinct = q_dqn + torch.arange(3) / 10  # without ties, in which torchmetrics may choose otherwise
    accuracy = torchmetrics.classification.MulticlassAccuracy(num_classes=3, average="micro")
    both = torchmetrics.MetricCollection({"one": ActionAgreement(), "two": ActionAgreement(level=0.9)})
    for rows in torch.arange(40).split(9):
        both.update(distinct[rows], q_snn[rows], episode_ids=episodes[rows])
        accuracy.update(distinct[rows].argmax(1), q_snn[rows].argmax(1))
    assert both.compute()["one"].item() == pytest.approx(accuracy.compute().item(), abs=1e-6)
    assert both.compute()["one"] == both.compute()["two"]
    both.reset()
    assert int(both["one"].count) == 0


@pytest.mark.parametrize("told", [False, True])
def test_merging_adds_up(told: bool) -> None:
    parts = [fed(ActionAgreement(), seed, [5, 8], told) for seed in (3, 4)]
    whole = fed(fed(ActionAgreement(), 3, [13], told), 4, [13], told)
    parts[0].merge_state(parts[1])
    assert parts[0].compute() == whole.compute()
    assert parts[0].interval() == whole.interval()


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda metric: pickle.loads(pickle.dumps(metric))])
def test_copies_go_on(twin: Any) -> None:
    metric = fed(ActionAgreement(), 5, [6, 7], told=True)
    other = fed(twin(metric), 6, [9], told=True)
    assert int(metric.count) == 13
    assert other.interval() == fed(fed(ActionAgreement(), 5, [13], True), 6, [9], True).interval()


def test_state_dicts_keep_it() -> None:
    metric = fed(ActionAgreement(), 7, [20], told=False)
    metric.persistent(True)
    other = ActionAgreement()
    other.persistent(True)
    other.load_state_dict(metric.state_dict())
    assert fed(other, 8, [9], told=False).compute() == fed(metric, 8, [9], told=False).compute()


def test_it_moves_to_other_devices_and_keeps_its_whole_numbers() -> None:
    metric = fed(ActionAgreement(), 8, [20], told=True)
    assert metric.to("cpu").half().compute() == metric.compute()
    assert metric.to("meta").hits.device.type == "meta"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_on_a_gpu() -> None:
    metric = fed(ActionAgreement().to("cuda"), 9, [20], told=True)
    assert metric.compute().device.type == "cuda"
    assert metric.compute().item() == fed(ActionAgreement(), 9, [20], told=True).compute().item()
    assert metric.interval() == fed(ActionAgreement(), 9, [20], told=True).interval()


@pytest.mark.slow
def test_two_processes_join_what_they_saw() -> None:
    code = """
import sys
import tempfile
import torch
from tests.metrics.test_torchmetrics import fed
from dqn2snn.metrics.torchmetrics import ActionAgreement

rank = int(sys.argv[1])
torch.distributed.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=rank, world_size=2)
metric = fed(ActionAgreement(), 10 + rank, [[7], [4, 9]][rank], told=True)
value, interval = metric.compute(), metric.interval()
whole = fed(fed(ActionAgreement(sync_on_compute=False), 10, [7], True), 11, [13], True)
assert value == whole.compute() and interval == whole.interval(), (value, interval)
assert int(metric.count) == [7, 13][rank]
print("joined", flush=True)
torch.distributed.destroy_process_group()
"""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-W", "ignore", "-c", code]
        ranks = [
            subprocess.Popen([*command, str(rank), f"{folder}/meet"], stdout=-1, stderr=-1, text=True)
            for rank in (0, 1)
        ]
        for rank in ranks:
            out, err = rank.communicate(timeout=120)
            assert out.strip() == "joined", err


# What goes wrong


def test_nothing_gives_no_number() -> None:
    metric = ActionAgreement()
    with (
        pytest.warns(UserWarning, match="before the ``update``"),
        pytest.raises(ArgumentError, match="Found none"),
    ):
        metric.compute()
    with pytest.raises(ArgumentError, match="Found none"):
        metric.interval()


def test_episodes_of_some_batches_only_give_no_interval() -> None:
    metric = fed(fed(ActionAgreement(), 1, [5], told=True), 2, [5], told=False)
    assert 0 <= metric.compute() <= 1
    with pytest.raises(ArgumentError, match="with every batch or with none"):
        metric.interval()


def test_wrong_arguments_are_refused() -> None:
    metric = ActionAgreement()
    with pytest.raises(ArgumentError, match="one shape"):
        metric.update(torch.zeros(3, 2), torch.zeros(3, 3))
    with pytest.raises(ArgumentError, match="NaN"):
        metric.update(torch.zeros(3, 2), torch.full((3, 2), torch.nan))
    with pytest.raises(ArgumentError, match="whole-number"):
        metric.update(torch.zeros(3, 2), torch.zeros(3, 2), episode_ids=[0.5, 1, 2])
    assert int(metric.count) == 0
    with pytest.raises(ArgumentError, match="level"):
        ActionAgreement(level=2.0)


def test_without_torchmetrics_the_error_has_the_pip_line() -> None:
    code = """
import sys
import tempfile
sys.modules["torchmetrics"] = None
import dqn2snn.metrics
try:
    import dqn2snn.metrics.torchmetrics
except dqn2snn.errors.MissingExtraError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == 'torchmetrics is not installed. Run: pip install "dqn2snn[torchmetrics]"'
