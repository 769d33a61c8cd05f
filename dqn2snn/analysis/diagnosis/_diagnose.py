"""`diagnose`: where the error of a spiking network's decisions comes from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dqn2snn._utils.host import on_host
from dqn2snn._utils.progress import progress_bar
from dqn2snn.analysis.diagnosis._advice import advice
from dqn2snn.analysis.diagnosis._findings import Diagnosis, Flip, LayerDiagnosis
from dqn2snn.analysis.diagnosis._layers import sent_rates
from dqn2snn.analysis.diagnosis._sums import LayerSums, Sums
from dqn2snn.dynamics.record import Record
from dqn2snn.errors import ArgumentError
from dqn2snn.metrics._clusters import Vector
from dqn2snn.metrics.confidence import proportion_interval
from dqn2snn.network import SpikingQNetwork, network_of
from dqn2snn.plan import PlanOrNetwork
from dqn2snn.plan.rate_network import RateNetwork
from dqn2snn.tracing.observations import Observations, check_observations

if TYPE_CHECKING:
    from dqn2snn.play.policies import Policy

_BATCH = 64
_CLIPPED_OFTEN = 0.01


@on_host()
def diagnose(
    dqn: Policy,
    snn: PlanOrNetwork,
    observations: Observations,
    *,
    num_steps: int | None = None,
    episode_ids: Vector | None = None,
    progress: bool = True,
) -> Diagnosis:
    """Say in which layer a spiking network goes wrong, and whether by clipping, quantisation or unevenness.

    The network is simulated once. That spikes are conserved, theta N / T = Ibar - (v_T - v_0) / T, splits the
    error of each neuron into three parts exactly, and passing each layer's rates on through the rest of the
    DQN says what every part does to the Q-values, exactly too. Only the division of a layer among its channels
    is to first order, by the gradient of the DQN.

    Args:
        dqn: The DQN.
        snn: The spiking network that was made of it, or its plan.
        observations: `[N, *input_shape]`; in the order of play for a "sigma_delta" network, which remembers.
        num_steps: T; the plan's own by default.
        episode_ids: Id of each observation's episode; for the interval of the agreement, and where memory ends.
        progress: Show a progress bar when standard error is a terminal.

    Returns:
        Diagnosis: Print it for a table; `advice` is the sentence that says what to change.

    Raises:
        ArgumentError: If there are no observations, or only one action.
        ObservationError: If the observations have the wrong shape, or hold NaN or infinity.
        PlanError: If spikes of the plan are not counted ("ttfs").

    Example:
        >>> import dqn2snn
        >>> dqn = dqn2snn.load_q_network("acrobot")
        >>> observations = dqn2snn.collect_observations(dqn, 300, seed=0, progress=False)
        >>> snn = dqn2snn.convert(dqn, observations, recipe="rate:threshold=max+none", num_steps=4)
        >>> diagnosis = diagnose(dqn, snn, observations)
        >>> diagnosis.share("quantisation") > 0.5
        True
    """
    snn = network_of(snn)
    steps = snn.plan.check_steps(num_steps)
    batch = check_observations(observations, snn.plan.input_shape).cpu()
    network = RateNetwork.of(snn.plan, torch.float64)
    if len(batch) == 0 or snn.plan.num_actions < 2:
        raise ArgumentError(
            f"Expected observations and two actions at least. Found {len(batch)} and {snn.plan.num_actions}."
        )
    sums = Sums([LayerSums(layer) for layer in network.layers])
    with progress_bar(total=len(batch), label="diagnose", progress=progress) as bar, torch.no_grad():
        for x, q_snn, rates in _decisions(snn, network, batch, steps, _first(episode_ids, len(batch))):
            q_dqn = dqn(x).detach().cpu().double()
            sums.add(network, x, q_dqn, q_snn, rates, steps)
            bar.update(len(x))
    return _summed_up(snn, steps, sums, episode_ids)


def _decisions(
    snn: SpikingQNetwork, network: RateNetwork, observations: Tensor, num_steps: int, first: Tensor
) -> Iterator[tuple[Tensor, Tensor, tuple[Tensor, ...]]]:
    """Observations, Q-values and rates of the hidden layers, in batches."""
    if not snn.plan.coding.persistent:
        for x in observations.split(_BATCH):
            record = snn.record(x, num_steps, spikes=snn.plan.readout == "slope", progress=False)
            yield x, record.q[-1].cpu().double(), sent_rates(network, record)
        return
    stream = snn.stream(num_steps)
    for xs, begins in zip(observations.split(_BATCH), first.split(_BATCH), strict=True):
        pairs = zip(xs.split(1), begins.split(1), strict=True)
        record = Record.join([stream.record(x, done) for x, done in pairs])
        yield xs, record.q[-1].cpu().double(), sent_rates(network, record)


def _first(episode_ids: Vector | None, count: int) -> Tensor:
    """Whether an episode begins, `[N]` bool."""
    ids = torch.zeros(count) if episode_ids is None else torch.as_tensor(episode_ids)
    changed = torch.ones(count, dtype=torch.bool)
    changed[1:] = ids[1:] != ids[:-1]
    return changed


def _summed_up(snn: SpikingQNetwork, steps: int, sums: Sums, episode_ids: Vector | None) -> Diagnosis:
    q_dqn, q_snn = torch.cat(sums.q_dqn), torch.cat(sums.q_snn)
    count, square = len(q_dqn), sums.square or 1.0
    flips = _flips(q_dqn, q_snn)
    layers = tuple(_layer(layer, count, square) for layer in sums.layers)
    outside = {name: product / square for name, product in sums.outside.items()}
    agreed = q_dqn.argmax(1) == q_snn.argmax(1)
    best, second = q_dqn.topk(2, dim=1).values.unbind(1)
    return Diagnosis(
        recipe=snn.plan.recipe,
        num_steps=steps,
        observations=count,
        agreement=proportion_interval(agreed, episode_ids),
        regret=sum(flip.regret for flip in flips) / count,
        error=math.sqrt(sums.square / count),
        gap=float((best - second).median()),
        layers=layers,
        outside=outside,
        flips=flips,
        advice=advice(
            snn.plan,
            steps,
            float(agreed.double().mean()),
            [(layer.name, layer.shares) for layer in layers],
            outside,
        ),
    )


def _layer(sums: LayerSums, count: int, square: float) -> LayerDiagnosis:
    shape = sums.layer.layer.shape
    clipped, fired, active = (torch.as_tensor(values) for values in (sums.clipped, sums.fired, sums.active))

    def indices(mask: Tensor) -> tuple[int, ...]:
        return tuple(mask.nonzero().flatten().tolist())

    return LayerDiagnosis(
        name=sums.layer.name,
        neurons=math.prod(shape),
        shares={cause: product / square for cause, product in sums.products.items()},
        sizes={cause: math.sqrt(total / count) for cause, total in sums.squares.items()},
        channel_shares={cause: tuple((by / square).tolist()) for cause, by in sums.channels.items()},
        clipped=tuple((clipped / count).reshape(shape[0], -1).mean(1).tolist()),
        clipped_neurons=indices(clipped >= _CLIPPED_OFTEN * count),
        silent_neurons=indices(~fired),
        lost_neurons=indices(~fired & active),
    )


def _flips(q_dqn: Tensor, q_snn: Tensor) -> tuple[Flip, ...]:
    dqn, snn = q_dqn.argmax(1), q_snn.argmax(1)
    differ = (dqn != snn).nonzero().flatten().tolist()
    flips = [Flip(i, int(dqn[i]), int(snn[i]), float(q_dqn[i, dqn[i]] - q_dqn[i, snn[i]])) for i in differ]
    return tuple(sorted(flips, key=lambda flip: -flip.regret))
