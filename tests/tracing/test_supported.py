"""Every supported module and function folds into the layers that it should, exactly."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dqn2snn.plan.ops import Conv, Dense, Pad, Reshape
from dqn2snn.tracing import trace
from tests.agents import NAMES, agent
from tests.tracing.folding import IMAGE, Function, assert_folds, randomised, snapshot


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_agent_keeps_its_layers_and_its_q_values(name: str) -> None:
    trained = agent(name)
    shape = tuple(trained.config["observation_shape"])
    weighted = [module for module in trained.children() if isinstance(module, (nn.Conv2d, nn.Linear))]
    graph = trace(trained, shape)
    assert [torch.equal(x.weight, y.weight.double()) for x, y in zip(graph.all_layers, weighted, strict=True)]
    assert_folds(trained, shape, [layer.neurons for layer in graph.all_layers])


def mlp(function: Callable[[Any, Tensor], Any]) -> Function:
    """Layers 4-8-3 around a function of the first one's output, or of the input."""
    return Function(function, fc=nn.Linear(4, 8), out=nn.Linear(8, 3))


RELUS: dict[str, Callable[[Any, Tensor], Any]] = {
    "F.relu": lambda s, x: s.out(F.relu(s.fc(x))),
    "F.relu keyword": lambda s, x: s.out(F.relu(input=s.fc(input=x))),
    "F.relu in place": lambda s, x: s.out(F.relu(s.fc(x), inplace=True)),
    "F.relu_": lambda s, x: s.out(F.relu_(s.fc(x))),
    "torch.relu": lambda s, x: s.out(torch.relu(s.fc(x))),
    "torch.relu_": lambda s, x: s.out(torch.relu_(s.fc(x))),
    "method": lambda s, x: s.out(s.fc(x).relu()),
    "method in place": lambda s, x: s.out(s.fc(x).relu_()),
    "module in place": lambda s, x: s.out(s.relu(s.fc(x))),
    "twice": lambda s, x: s.out(F.relu(F.relu(s.fc(x)))),
    "twice around a reshape": lambda s, x: s.out(F.relu(F.relu(s.fc(x)).reshape(-1, 2, 4) / 2).flatten(1)),
}


def _in_place_statement(s: Any, x: Tensor) -> Any:
    hidden = s.fc(x)
    hidden.relu_()
    return s.out(hidden)


@pytest.mark.parametrize("function", [*RELUS.values(), _in_place_statement], ids=[*RELUS, "statement"])
def test_a_relu_in_any_form_makes_one_layer(function: Callable[[Any, Tensor], Any]) -> None:
    network = mlp(function)
    network.add_module("relu", nn.ReLU(inplace=True))
    assert_folds(randomised(network), (4,), [8, 3])


def _divided_statement(s: Any, x: Tensor) -> Any:
    x.div_(255)
    return s.out(F.relu(s.fc(x)))


def _augmented(s: Any, x: Tensor) -> Any:
    x /= 2
    x -= 0.5
    x *= 3
    x += 1
    return s.out(F.relu(s.fc(x)))


VECTOR = torch.tensor([0.5, -2.0, 3.0, 0.25])
SCALINGS: dict[str, Callable[[Any, Tensor], Any]] = {
    "x / 255": lambda s, x: s.out(F.relu(s.fc(x / 255))),
    "x.float() / 255.0": lambda s, x: s.out(F.relu(s.fc(x.to(s.fc.weight.dtype) / 255.0))),
    "x.div(255)": lambda s, x: s.out(F.relu(s.fc(x.div(255)))),
    "x.div_(255)": lambda s, x: s.out(F.relu(s.fc(x.clone().div_(255)))),
    "x.mul_(c)": lambda s, x: s.out(F.relu(s.fc(x).mul_(3))),
    "torch.true_divide": lambda s, x: s.out(F.relu(s.fc(torch.true_divide(x, 2)))),
    "torch.mul": lambda s, x: s.out(F.relu(s.fc(torch.mul(x, other=2)))),
    "c * x": lambda s, x: s.out(F.relu(s.fc(0.1 * x))),
    "x - c": lambda s, x: s.out(F.relu(s.fc(x - 0.5))),
    "c - x": lambda s, x: s.out(F.relu(s.fc(1 - x))),
    "torch.rsub": lambda s, x: s.out(F.relu(s.fc(torch.rsub(x, 1)))),
    "-x": lambda s, x: s.out(F.relu(s.fc(-x))),
    "x.neg()": lambda s, x: s.out(F.relu(s.fc(x.neg()))),
    "x * vector": lambda s, x: s.out(F.relu(s.fc(x * VECTOR.to(x)))),
    "x / vector": lambda s, x: s.out(F.relu(s.fc(x / VECTOR.to(x)))),
    "(x - vector) / vector": lambda s, x: s.out(F.relu(s.fc((x - VECTOR.to(x)) / VECTOR.to(x)))),
    "2 x / 255 - 1": lambda s, x: s.out(F.relu(s.fc(2 * x / 255 - 1))),
    "behind the weights": lambda s, x: s.out(F.relu((s.fc(x) - 1) * 2)) / 4 + 1,
    "between two layers": lambda s, x: s.out(F.relu(s.fc(x)) * 2 - 1),
    "x + x": lambda s, x: s.out(F.relu(s.fc(x + x) - s.fc(x))),
    "no input": lambda s, x: s.out(F.relu(s.fc(x * 0))),
}


@pytest.mark.parametrize("function", SCALINGS.values(), ids=SCALINGS)
def test_constants_fold_into_the_weights(function: Callable[[Any, Tensor], Any]) -> None:
    assert_folds(randomised(mlp(function)), (4,), [8, 3])


@pytest.mark.parametrize(
    "function", [_divided_statement, _augmented], ids=["x.div_(255)", "x /= 2, x -= ..."]
)
def test_in_place_arithmetic_on_the_input_is_followed(function: Callable[[Any, Tensor], Any]) -> None:
    """The network changes its own input, so it gets a copy of its own to be compared."""
    network = randomised(mlp(function)).eval()
    observations = torch.randn(9, 4)
    found = trace(network, (4,)).cast(torch.float32)(observations)
    torch.testing.assert_close(found, network(observations.clone()), rtol=0, atol=1e-5)


def test_a_constant_larger_than_the_value_makes_more_neurons() -> None:
    weights = torch.tensor([1.0, -2.0, 3.0])
    network = Function(
        lambda s, x: s.out(F.relu(s.fc(x))) * weights.to(x) + weights.to(x),
        fc=nn.Linear(4, 8),
        out=nn.Linear(8, 1),
    )
    assert_folds(randomised(network), (4,), [8, 3])


def flattening(function: Callable[[Tensor], Tensor]) -> Function:
    return Function(
        lambda s, x: s.out(function(F.relu(s.conv(x)))),
        conv=nn.Conv2d(3, 4, 3),
        out=nn.Linear(4 * 6 * 5, 3),
    )


FLATTENINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "flatten(1)": lambda x: x.flatten(1),
    "torch.flatten": lambda x: torch.flatten(x, start_dim=1),
    "view(x.size(0), -1)": lambda x: x.view(x.size(0), -1),
    "view(-1, n)": lambda x: x.view(-1, 120),
    "reshape(x.shape[0], -1)": lambda x: x.reshape(x.shape[0], -1),
    "torch.reshape": lambda x: torch.reshape(x, (x.shape[0], -1)),
    "view as": lambda x: x.view_as(x).reshape_as(x).flatten(1),
    "HWC": lambda x: x.permute(0, 2, 3, 1).reshape(x.size(0), -1),
    "HWC view": lambda x: torch.permute(x, (0, 2, 3, 1)).contiguous().view(x.size(0), -1),
    "transposed": lambda x: x.transpose(2, 3).flatten(1),
    "squeezed": lambda x: x.unsqueeze(1).squeeze(1).flatten(1),
    "unflattened": lambda x: x.flatten(1).unflatten(1, (4, 30)).flatten(1),
    "mirrored": lambda x: x.flip(3).flatten(1),
}


@pytest.mark.parametrize("function", FLATTENINGS.values(), ids=FLATTENINGS)
def test_reshapes_and_permutations(function: Callable[[Tensor], Tensor]) -> None:
    assert_folds(randomised(flattening(function)), IMAGE, [120, 3])


def test_the_papers_network_with_its_paddings_and_flatten_order() -> None:
    """Weights from TensorFlow: SAME paddings by hand and an HWC flatten."""

    def forward(s: Any, x: Tensor) -> Any:
        x = F.relu(s.conv1(s.pad1(x / 255.0)))
        x = F.relu(s.conv2(s.pad2(x)))
        x = F.relu(s.conv3(x)).permute(0, 2, 3, 1).contiguous()
        return s.fc2(F.relu(s.fc1(x.view(x.size(0), -1))))

    network = Function(
        forward,
        pad1=nn.ConstantPad2d(2, 0.0),
        conv1=nn.Conv2d(4, 8, 8, 4),
        pad2=nn.ConstantPad2d((1, 2, 1, 2), 0.0),
        conv2=nn.Conv2d(8, 8, 4, 2),
        conv3=nn.Conv2d(8, 8, 3, padding=1),
        fc1=nn.Linear(8 * 6 * 6, 16),
        fc2=nn.Linear(16, 6),
    )
    graph = assert_folds(randomised(network), (4, 44, 44), [8 * 11 * 11, 8 * 6 * 6, 8 * 6 * 6, 16, 6])
    assert [layer.name for layer in graph.all_layers] == ["conv1", "conv2", "conv3", "fc1", "fc2"]
    kinds = [[type(op) for op in layer.ops] for layer in graph.all_layers]
    assert kinds == [[Pad, Conv], [Pad, Conv], [Conv], [Reshape, Dense], [Dense]]


def test_channel_wise_constants_keep_a_convolution_a_convolution() -> None:
    """A matrix in its place would not fit into memory for frames of 84 x 84."""
    mean, gain = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([1.0, 2.0, 3.0, 4.0])
    network = Function(
        lambda s, x: s.out(
            F.relu(
                s.conv((x - mean.to(x)[None, :, None, None]) / mean.to(x).view(3, 1, 1))
                * gain.to(x).view(4, 1, 1)
            )
            .mul(2)
            .flatten(1)
        ),
        conv=nn.Conv2d(3, 4, 3, padding=1),
        out=nn.Linear(4 * 56, 2),
    )
    graph = assert_folds(randomised(network), IMAGE, [4 * 56, 2])
    assert [type(op) for op in graph.layers[0].ops] == [Conv]


def test_a_constant_that_varies_over_the_image_becomes_a_matrix() -> None:
    window = torch.linspace(0.5, 1.5, 30).reshape(6, 5)
    network = Function(
        lambda s, x: s.out(F.relu(s.conv(x) * window.to(x)).flatten(1)),
        conv=nn.Conv2d(3, 4, 3),
        out=nn.Linear(120, 2),
    )
    graph = assert_folds(randomised(network), IMAGE, [120, 2])
    assert [type(op) for op in graph.layers[0].ops] == [Reshape, Dense, Reshape]


def test_nested_sequentials_keep_their_qualified_names() -> None:
    features = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), nn.Flatten())
    network = nn.Sequential()
    network.add_module("features", features)
    network.add_module("head", nn.Sequential(nn.Sequential(nn.Linear(120, 8), nn.ReLU()), nn.Linear(8, 2)))
    graph = assert_folds(randomised(network), IMAGE, [120, 8, 2])
    assert [layer.name for layer in graph.all_layers] == ["features.0.0", "head.0.0", "head.1"]


def test_layers_without_a_relu_between_them_merge() -> None:
    network = nn.Sequential(
        nn.Linear(4, 16), nn.Linear(16, 5), nn.ReLU(), nn.Linear(5, 9), nn.Dropout(), nn.Linear(9, 2)
    )
    assert_folds(randomised(network), (4,), [5, 2])


def test_two_convolutions_without_a_relu_between_them_merge() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(60, 2)
    )
    assert_folds(randomised(network), IMAGE, [60, 2])


def test_linear_over_the_last_of_several_dimensions() -> None:
    network = nn.Sequential(nn.Linear(7, 4), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 8 * 4, 2))
    assert_folds(randomised(network), IMAGE, [96, 2])


class OwnParameters(nn.Module):
    """Weights as plain parameters of the network, used through functions."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(6, 1, 3, 2))
        self.kernel_bias = nn.Parameter(torch.empty(6))
        self.fc = nn.ParameterDict({"weight": nn.Parameter(torch.empty(2, 6 * 6 * 8))})

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(x, self.kernel, self.kernel_bias, groups=3, padding=(1, 1), dilation=(2, 1))
        return F.linear(F.relu(x).flatten(1), weight=self.fc["weight"])


def test_functional_layers_are_named_after_their_weights() -> None:
    graph = assert_folds(randomised(OwnParameters()), IMAGE, [6 * 6 * 8, 2])
    assert [layer.name for layer in graph.all_layers] == ["kernel", "fc"]
    assert isinstance(graph.layers[0].ops[0], Conv)


class Orthogonal(nn.Linear):
    """A user's own subclass, with an initialisation of its own and the forward of its base."""


def test_subclasses_with_the_forward_of_their_base_are_followed() -> None:
    network = nn.Sequential(Orthogonal(4, 8), nn.ReLU(), Orthogonal(8, 2))
    graph = assert_folds(randomised(network), (4,), [8, 2])
    assert [layer.name for layer in graph.all_layers] == ["0", "2"]


def test_a_layer_that_is_applied_twice_has_its_neurons_twice_under_two_names() -> None:
    network = Function(
        lambda s, x: s.out(F.relu(s.mid(F.relu(s.mid(F.relu(s.fc(x))))))),
        fc=nn.Linear(4, 8),
        mid=nn.Linear(8, 8),
        out=nn.Linear(8, 2),
    )
    graph = assert_folds(randomised(network), (4,), [8, 8, 8, 2])
    assert [layer.name for layer in graph.all_layers] == ["fc", "mid", "mid#2", "out"]


@pytest.mark.parametrize(
    "norm", [nn.utils.parametrizations.weight_norm, nn.utils.parametrizations.spectral_norm]
)
def test_parametrized_weights_are_taken_as_they_are(norm: Callable[[nn.Module], nn.Module]) -> None:
    network = nn.Sequential(norm(nn.Linear(4, 8)), nn.ReLU(), nn.Linear(8, 2)).eval()
    before = snapshot(network)
    graph = trace(network, (4,))
    assert snapshot(network) == before
    observations = torch.randn(9, 4)
    torch.testing.assert_close(
        graph.cast(torch.float32)(observations), network(observations), rtol=0, atol=1e-5
    )


def test_a_double_precision_network_keeps_its_digits() -> None:
    network = randomised(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).double())
    graph = trace(network, (4,))
    assert torch.equal(graph.layers[0].weight, network[0].weight)
    assert torch.equal(graph.head.bias, network[2].bias)


def test_a_network_that_begins_or_ends_in_a_relu() -> None:
    network = nn.Sequential(nn.ReLU(), nn.Linear(4, 3), nn.ReLU())
    graph = assert_folds(randomised(network), (4,), [4, 3, 3])
    assert [layer.name for layer in graph.all_layers] == ["input", "1", "1#2"]


def test_the_network_and_the_graph_share_no_memory() -> None:
    network = randomised(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).double())
    graph = trace(network, (4,))
    kept = copy.deepcopy(graph.layers[0].weight)
    with torch.no_grad():
        network[0].weight.zero_()
    assert torch.equal(graph.layers[0].weight, kept)


def test_hooks_stay_where_they_are() -> None:
    network = randomised(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)))
    network[0].register_forward_hook(lambda *arguments: None)
    network.register_full_backward_hook(lambda *arguments: None)
    network[2].requires_grad_(False)
    assert_folds(network, (4,), [8, 2])


@pytest.mark.parametrize("width", [5, 7, 9, 11])
def test_no_width_is_mistaken_for_the_batch(width: int) -> None:
    network = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
    assert_folds(randomised(network), (width,), [width, width])
