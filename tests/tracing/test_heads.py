"""Dueling, quantile and noisy heads fold into one affine head, with no neuron twice."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dqn2snn.errors import UnsupportedModuleError
from dqn2snn.tracing import trace
from tests.tracing.folding import Function, assert_folds, randomised

Combine = Callable[[Tensor, Tensor], Tensor]

COMBINATIONS: dict[str, Combine] = {
    "v + a - mean": lambda v, a: v + a - a.mean(1, keepdim=True),
    "v + (a - mean)": lambda v, a: v + (a - a.mean(dim=1, keepdim=True)),
    "(a - mean) + v": lambda v, a: (a - torch.mean(a, -1, True)) + v,
    "a + v - mean": lambda v, a: a + v - a.mean(-1, keepdim=True),
    "v - mean + a": lambda v, a: v - a.mean(1, keepdim=True) + a,
    "v - (mean - a)": lambda v, a: v - (a.mean(1, keepdim=True) - a),
    "torch.add, torch.sub": lambda v, a: torch.add(v, torch.sub(a, a.mean(1, keepdim=True))),
    "methods": lambda v, a: a.sub(a.mean(1).unsqueeze(1)).add(v),
    "sum / n": lambda v, a: v + a - a.sum(1, keepdim=True) / 3,
    "expand_as": lambda v, a: v.expand_as(a) + (a - a.mean(1, keepdim=True).expand_as(a)),
    "expand": lambda v, a: v.expand(a.size(0), 3) + a - a.mean(1).unsqueeze(1).expand(a.shape[0], 3),
    "negated": lambda v, a: -(a.mean(1, keepdim=True) - a - v),
    "v + a": lambda v, a: v + a,
}


def stream(*widths: int) -> nn.Sequential:
    """Linear layers with ReLUs between them."""
    modules: list[nn.Module] = []
    for i in range(len(widths) - 1):
        modules += [nn.Linear(widths[i], widths[i + 1]), nn.ReLU()]
    return nn.Sequential(*modules[:-1])


def dueling(combine: Combine, value: nn.Module, advantage: nn.Module) -> Function:
    def forward(s: Any, x: Tensor) -> Any:
        x = F.relu(s.fc(x))
        return combine(s.value(x), s.advantage(x))

    return Function(forward, fc=nn.Linear(4, 8), value=value, advantage=advantage)


@pytest.mark.parametrize("combine", COMBINATIONS.values(), ids=COMBINATIONS)
def test_dueling_heads_of_single_layers(combine: Combine) -> None:
    assert_folds(randomised(dueling(combine, nn.Linear(8, 1), nn.Linear(8, 3))), (4,), [8, 3])


def test_an_advantage_that_cancels_leaves_its_rounding_which_is_no_difference() -> None:
    network = randomised(dueling(COMBINATIONS["v + a - mean"], nn.Linear(8, 1), nn.Linear(8, 1)))
    with torch.no_grad():
        network.advantage.weight *= 1e4
        network.value.weight.zero_()
        network.value.bias.fill_(0.01)
    observations = 255 * torch.rand(64, 4)
    with torch.no_grad():
        assert float((network(observations) - 0.01).abs().max()) > 1e-3  # of float32 alone
    q = trace(network, (4,))(observations.double())
    torch.testing.assert_close(q, torch.full_like(q, 0.01), rtol=0, atol=1e-8)


@pytest.mark.parametrize("combine", COMBINATIONS.values(), ids=COMBINATIONS)
def test_dueling_streams_with_a_hidden_layer_lie_side_by_side(combine: Combine) -> None:
    network = randomised(dueling(combine, stream(8, 5, 1), stream(8, 6, 3)))
    graph = assert_folds(network, (4,), [8, 5 + 6, 3])
    assert set(graph.layers[1].name.split(" | ")) == {"value.0", "advantage.0"}


@pytest.mark.parametrize("combine", COMBINATIONS.values(), ids=COMBINATIONS)
def test_dueling_streams_with_two_hidden_layers(combine: Combine) -> None:
    network = randomised(dueling(combine, stream(8, 5, 4, 1), stream(8, 6, 7, 3)))
    assert_folds(network, (4,), [8, 5 + 6, 4 + 7, 3])


def test_streams_that_rectify_the_same_features_share_their_neurons() -> None:
    network = Function(
        lambda s, x: (lambda h: s.value(F.relu(h)) + s.advantage(h))(s.fc(x)),
        fc=nn.Linear(4, 8),
        value=nn.Linear(8, 1),
        advantage=nn.Sequential(nn.ReLU(), nn.Linear(8, 3)),
    )
    assert_folds(randomised(network), (4,), [8, 3])


def test_a_stream_that_is_called_twice_has_its_neurons_once() -> None:
    network = dueling(lambda v, a: v + a, stream(8, 5, 1), stream(8, 6, 3))
    network.function = lambda s, x: (
        s.value(F.relu(s.fc(x)))
        + (s.advantage(F.relu(s.fc(x))) - s.advantage(F.relu(s.fc(x))).mean(1, keepdim=True))
    )
    assert_folds(randomised(network), (4,), [8, 11, 3])


def test_three_streams_and_an_ensemble() -> None:
    network = Function(
        lambda s, x: (lambda h: (s.a(h) + s.b(h) + s.c(h)) / 3)(F.relu(s.fc(x))),
        fc=nn.Linear(4, 8),
        a=stream(8, 5, 3),
        b=stream(8, 6, 3),
        c=stream(8, 7, 3),
    )
    assert_folds(randomised(network), (4,), [8, 18, 3])


def test_streams_of_two_trunks_from_the_observation() -> None:
    network = Function(
        lambda s, x: s.value(x) + s.advantage(x), value=stream(4, 5, 6, 1), advantage=stream(4, 7, 8, 3)
    )
    assert_folds(randomised(network), (4,), [12, 14, 3])


def test_a_dueling_network_over_images() -> None:
    def forward(s: Any, x: Tensor) -> Any:
        x = F.relu(s.conv(x / 255)).flatten(1)
        value, advantage = s.value(x), s.advantage(x)
        return value + advantage - advantage.mean(1, keepdim=True)

    network = Function(
        forward, conv=nn.Conv2d(4, 8, 3, stride=2), value=stream(128, 16, 1), advantage=stream(128, 16, 6)
    )
    assert_folds(randomised(network), (4, 10, 10), [128, 32, 6])


# Quantiles


QUANTILES: dict[str, Callable[[Tensor], Tensor]] = {
    "view(-1, A, N).mean(2)": lambda z: z.view(-1, 3, 5).mean(2),
    "reshape, mean(-1)": lambda z: z.reshape(z.shape[0], 3, 5).mean(-1),
    "sb3-contrib (N, A)": lambda z: z.view(-1, 5, 3).mean(dim=1),
    "unflatten": lambda z: z.unflatten(1, (3, 5)).mean(dim=2),
    "sum / N": lambda z: z.view(-1, 3, 5).sum(2) / 5,
    "one quantile": lambda z: z.view(-1, 3, 5)[:, :, 2],
    "every other quantile": lambda z: z.view(-1, 3, 5)[..., ::2].mean(-1),
}


@pytest.mark.parametrize("mean", QUANTILES.values(), ids=QUANTILES)
def test_quantile_heads_give_their_mean(mean: Callable[[Tensor], Tensor]) -> None:
    network = Function(lambda s, x: mean(s.out(F.relu(s.fc(x)))), fc=nn.Linear(4, 8), out=nn.Linear(8, 15))
    assert_folds(randomised(network), (4,), [8, 3])


def test_a_dueling_quantile_network() -> None:
    def forward(s: Any, x: Tensor) -> Any:
        x = F.relu(s.fc(x))
        value, advantage = s.value(x).view(-1, 1, 5), s.advantage(x).view(-1, 3, 5)
        return (value + advantage - advantage.mean(dim=1, keepdim=True)).mean(dim=2)

    network = Function(forward, fc=nn.Linear(4, 8), value=stream(8, 6, 5), advantage=stream(8, 7, 15))
    assert_folds(randomised(network), (4,), [8, 13, 3])


def test_quantiles_themselves_are_refused_with_the_way_out() -> None:
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 15), nn.Unflatten(1, (3, 5)))
    with pytest.raises(UnsupportedModuleError, match=r"\[B, 3, 5\] from Sequential. .*returns the mean"):
        trace(network, (4,))


# Noise


class FortunatoLinear(nn.Module):
    """Noisy linear layer as most single-file implementations have it."""

    def __init__(self, inputs: int, outputs: int, always: bool) -> None:
        super().__init__()
        self.always = always
        self.weight_mu = nn.Parameter(torch.empty(outputs, inputs))
        self.weight_sigma = nn.Parameter(torch.empty(outputs, inputs))
        self.bias_mu = nn.Parameter(torch.empty(outputs))
        self.bias_sigma = nn.Parameter(torch.empty(outputs))
        self.register_buffer("weight_epsilon", torch.empty(outputs, inputs))
        self.register_buffer("bias_epsilon", torch.empty(outputs))

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training or self.always):
            return F.linear(x, self.weight_mu, self.bias_mu)
        noise = torch.randn_like(self.weight_epsilon)
        return F.linear(
            x, self.weight_mu + self.weight_sigma * noise, self.bias_mu + self.bias_sigma * self.bias_epsilon
        )


class TianshouLinear(nn.Module):
    """The parameter names and the forward of tianshou.utils.net.discrete.NoisyLinear."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mu_W = nn.Parameter(torch.empty(outputs, inputs))
        self.sigma_W = nn.Parameter(torch.empty(outputs, inputs))
        self.mu_bias = nn.Parameter(torch.empty(outputs))
        self.sigma_bias = nn.Parameter(torch.empty(outputs))
        self.register_buffer("eps_p", torch.empty(inputs))
        self.register_buffer("eps_q", torch.empty(outputs))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            weight = self.mu_W + self.sigma_W * self.eps_q.ger(self.eps_p)
            return F.linear(x, weight, self.mu_bias + self.sigma_bias * self.eps_q.clone())
        return F.linear(x, self.mu_W, self.mu_bias)


class BiasFreeNoisyLinear(nn.Module):
    """TorchRL registers no bias when it is told to leave it out."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight_mu = nn.Parameter(torch.empty(outputs, inputs))
        self.weight_sigma = nn.Parameter(torch.empty(outputs, inputs))
        self.bias_mu = None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight_mu + self.weight_sigma * torch.randn(self.weight_mu.shape).to(x))


NOISY: dict[str, Callable[[int, int], nn.Module]] = {
    "noise drawn always": lambda i, o: FortunatoLinear(i, o, always=True),
    "noise drawn in training": lambda i, o: FortunatoLinear(i, o, always=False),
    "tianshou": TianshouLinear,
    "no bias": BiasFreeNoisyLinear,
}


@pytest.mark.parametrize("layer", NOISY.values(), ids=NOISY)
def test_noisy_layers_give_their_means(layer: Callable[[int, int], nn.Module]) -> None:
    network = randomised(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), layer(8, 6), nn.ReLU(), layer(6, 3)))
    graph = assert_folds(network, (4,), [8, 6, 3], mean=without_noise(network))
    assert [layer.name for layer in graph.all_layers] == ["0", "2", "4"]


def test_a_noisy_dueling_network() -> None:
    def forward(s: Any, x: Tensor) -> Any:
        x = F.relu(s.fc(x))
        value, advantage = s.value(x), s.advantage(x)
        return value + advantage - advantage.mean(1, keepdim=True)

    noisy = NOISY["noise drawn always"]
    network = Function(
        forward,
        fc=nn.Linear(4, 8),
        value=nn.Sequential(noisy(8, 5), nn.ReLU(), noisy(5, 1)),
        advantage=nn.Sequential(noisy(8, 6), nn.ReLU(), noisy(6, 3)),
    )
    assert_folds(randomised(network), (4,), [8, 11, 3], mean=without_noise(network))


def test_what_fx_does_not_see_is_found_in_noisy_networks_too() -> None:
    network = nn.Sequential(FortunatoLinear(4, 8, always=True), nn.ReLU(), Drifting(), nn.Linear(8, 2))
    with pytest.raises(UnsupportedModuleError, match=r"torch\.fx does not see"):
        trace(randomised(network), (4,))


class Drifting(nn.Module):
    """Adds something else at every call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x + self.calls


class LogSigmaLinear(FortunatoLinear):
    """A layer that keeps the logarithm of its spread, so that no value of it is silent."""

    def forward(self, x: Tensor) -> Tensor:
        noise = torch.randn_like(self.weight_epsilon)
        return F.linear(x, self.weight_mu + torch.exp(self.weight_sigma) * noise, self.bias_mu)


def test_noise_that_cannot_be_silenced_is_refused() -> None:
    network = nn.Sequential(LogSigmaLinear(4, 8, always=True), nn.ReLU(), nn.Linear(8, 2))
    with pytest.raises(UnsupportedModuleError, match="such as a counter, a flag, noise"):
        trace(randomised(network), (4,))


def without_noise(network: nn.Module) -> nn.Module:
    """A copy in which no noise has any spread."""
    silent = copy.deepcopy(network)
    with torch.no_grad():
        for name, parameter in silent.named_parameters():
            if "sigma" in name:
                parameter.zero_()
    return silent
