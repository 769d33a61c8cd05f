"""What has no exact spiking counterpart is refused by name, type and advice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dqn2snn.errors import ArgumentError, ObservationError, UnsupportedModuleError
from dqn2snn.tracing import trace
from tests.agents import agent
from tests.tracing.folding import Function, snapshot


def inside(module: nn.Module) -> nn.Sequential:
    """A network with a module at `body.act`."""
    network = nn.Sequential()
    network.add_module("body", nn.Sequential(nn.Linear(4, 8)))
    network.body.add_module("act", module)
    network.add_module("head", nn.Sequential(nn.ReLU(), nn.Linear(8, 2)))
    return network


def image(module: nn.Module) -> nn.Sequential:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    network.add_module("pool", module)
    return network.append(nn.Flatten()).append(nn.LazyLinear(2))


MODULES: dict[nn.Module, str] = {
    nn.LSTM(8, 8): "Stack frames",
    nn.GRU(8, 8): "Stack frames",
    nn.RNN(8, 8): "Stack frames",
    nn.Tanh(): "ReLU",
    nn.Sigmoid(): "ReLU",
    nn.LeakyReLU(): "ReLU",
    nn.PReLU(): "ReLU",
    nn.ELU(): "ReLU",
    nn.SELU(): "ReLU",
    nn.GELU(): "ReLU",
    nn.SiLU(): "ReLU",
    nn.Mish(): "ReLU",
    nn.Softplus(): "ReLU",
    nn.ReLU6(): "ReLU",
    nn.Hardswish(): "ReLU",
    nn.LayerNorm(8): "BatchNorm",
    nn.GroupNorm(2, 8): "BatchNorm",
    nn.Softmax(dim=1): "below the softmax",
    nn.LogSoftmax(dim=1): "below the softmax",
    nn.MaxPool1d(1): "AvgPool2d",
    nn.Softshrink(): "Replace it",
    nn.GLU(): "Replace it",
    nn.BatchNorm1d(8, track_running_stats=False): "no running statistics",
}


@pytest.mark.parametrize(("module", "advice"), MODULES.items(), ids=lambda x: type(x).__name__)
def test_modules_are_refused_by_qualified_name_type_and_advice(module: nn.Module, advice: str) -> None:
    network = inside(module)
    before = snapshot(network)
    with pytest.raises(
        UnsupportedModuleError, match=rf"`body\.act` of type {type(module).__name__}[.:]"
    ) as caught:
        trace(network, (4,))
    assert advice in str(caught.value)
    assert isinstance(caught.value, TypeError)
    assert snapshot(network) == before


def test_the_name_of_a_module_does_not_choose_the_advice() -> None:
    network = nn.Sequential()
    network.add_module("relu6_then_pool", nn.MaxPool2d(2))
    with pytest.raises(UnsupportedModuleError, match=r"Use AvgPool2d or a strided Conv2d"):
        trace(network, (3, 8, 8))


IMAGE_MODULES: dict[nn.Module, str] = {
    nn.MaxPool2d(2): "Use AvgPool2d or a strided Conv2d",
    nn.MaxPool2d(2, return_indices=True): "Use AvgPool2d or a strided Conv2d",
    nn.AdaptiveMaxPool2d(2): "Use AvgPool2d or a strided Conv2d",
    nn.InstanceNorm2d(4): "Replace it",
    nn.Upsample(scale_factor=2): "Replace it",
    nn.ConvTranspose2d(4, 4, 2): "Replace it",
    nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"): "padding_mode='reflect'",
    nn.ConstantPad2d(1, 0.5): "value=0.5",
    nn.ReflectionPad2d(1): "Replace it",
}


@pytest.mark.parametrize(("module", "advice"), IMAGE_MODULES.items(), ids=lambda x: type(x).__name__)
def test_modules_of_images_are_refused_likewise(module: nn.Module, advice: str) -> None:
    network = image(module)
    network[-1] = nn.Linear(1, 2)
    with pytest.raises(
        UnsupportedModuleError, match=rf"`pool` of type {type(module).__name__}[.:]"
    ) as caught:
        trace(network, (3, 8, 8))
    assert advice in str(caught.value)


def mlp(function: Callable[[Any, Tensor], Any]) -> nn.Module:
    """A network with the function in its submodule `net`."""
    net = Function(function, fc=nn.Linear(4, 8), mid=nn.Linear(8, 8), out=nn.Linear(8, 2))
    return Function(lambda s, x: s.net(x), net=net)


def _rebuilt_in_place(s: Any, x: Tensor) -> Any:
    hidden = F.relu(s.fc(x))
    hidden[:, 0] = 0
    return s.out(hidden)


FUNCTIONS: dict[str, tuple[Callable[[Any, Tensor], Any], str, str]] = {
    "tanh": (lambda s, x: s.out(torch.tanh(s.fc(x))), "tanh", "ReLU"),
    "tanh method": (lambda s, x: s.out(s.fc(x).tanh()), "tanh", "ReLU"),
    "leaky": (lambda s, x: s.out(F.leaky_relu(s.fc(x))), "leaky_relu", "ReLU"),
    "silu": (lambda s, x: s.out(F.silu(s.fc(x))), "silu", "ReLU"),
    "softmax": (lambda s, x: s.out(F.relu(s.fc(x))).softmax(1), "softmax", "below the softmax"),
    "layer norm": (lambda s, x: s.out(F.layer_norm(s.fc(x), (8,))), "layer_norm", "BatchNorm"),
    "clamp": (lambda s, x: s.out(s.fc(x).clamp(0, 1)), "clamp", "Replace it"),
    "square": (lambda s, x: s.out(s.fc(x) ** 2), "pow", "Replace it"),
    "floor division": (lambda s, x: s.out(F.relu(s.fc(x // 2))), "floordiv", "Replace it"),
    "rounding": (lambda s, x: s.out(F.relu(s.fc(x.round()))), "round", "Replace it"),
    "cast": (lambda s, x: s.out(F.relu(s.fc(x)).to(torch.int32).float()), "to", "casts to torch.int32"),
    "half": (
        lambda s, x: s.out(F.relu(s.fc(x)).type(torch.float16).float()),
        "type",
        "casts to torch.float16",
    ),
    "rounded division": (
        lambda s, x: s.out(F.relu(s.fc(torch.div(x, 2, rounding_mode="floor")))),
        "div",
        "rounding_mode",
    ),
    "alpha": (lambda s, x: s.out(F.relu(torch.add(s.fc(x), 1, alpha=2))), "add", "alpha"),
    "product": (lambda s, x: s.out(s.fc(x)) * s.out(F.relu(s.fc(x))), "mul", "product of two"),
    "quotient": (lambda s, x: s.out(F.relu(1 / s.fc(x))), "div", "not affine"),
    "skip": (lambda s, x: s.out((lambda h: F.relu(s.mid(h)) + h)(F.relu(s.fc(x)))), "", "skip connection"),
    "skip from the input": (lambda s, x: F.relu(s.fc(x))[:, :4] + x, "", "skip connection"),
    "cat": (lambda s, x: s.out(torch.cat([F.relu(s.fc(x)), x], 1)), "cat", "several network values"),
    "cat by keyword": (lambda s, x: torch.cat(tensors=[s.fc(x), x], dim=1), "cat", "several network values"),
    "chunk": (lambda s, x: s.out(F.relu(s.fc(x))).chunk(2, 1)[0], "chunk", "gives a tuple"),
    "max": (lambda s, x: s.out(F.relu(s.fc(x))).max(1), "max", "gives a"),
    "maximum": (
        lambda s, x: s.out(torch.maximum(s.fc(x), s.mid(s.fc(x)))),
        "maximum",
        "several network values",
    ),
    "batch mean": (
        lambda s, x: s.out(F.relu(s.fc(x - x.mean(0, keepdim=True)))),
        "mean",
        "mixes the samples",
    ),
    "mean of all": (lambda s, x: s.out(F.relu(s.fc(x - x.mean()))), "mean", "mixes the samples"),
    "transposed": (lambda s, x: s.out(F.relu(s.fc(x)).transpose(0, 1)), "transpose", "mixes the samples"),
    "shuffled": (lambda s, x: s.out(F.relu(s.fc(x)).flip(0)), "", "noise or the batch"),
    "first five": (lambda s, x: s.out(F.relu(s.fc(x)))[:5], "", ""),
    "F.dropout": (lambda s, x: s.out(F.dropout(F.relu(s.fc(x)))), "", "noise or the batch"),
    "constant output": (lambda s, x: s.out(torch.ones(5, 8)), "", "not one tensor"),
    "tuple": (lambda s, x: (s.out(F.relu(s.fc(x))), None), "", "not one tensor"),
    "dict": (lambda s, x: {"q": s.out(F.relu(s.fc(x)))}, "", "not one tensor"),
    "scalar per sample": (lambda s, x: s.out(F.relu(s.fc(x))).mean(1), "", r"shape [B, A]. Found [B] from"),
    "scalar layer": (lambda s, x: s.out(F.relu(s.fc(x).mean(1)).unsqueeze(1).expand(-1, 8)), "", "shape [B]"),
    "assigned": (_rebuilt_in_place, "", "torch.fx can trace"),
    "divided by zero": (lambda s, x: s.out(F.relu(s.fc(x / 0))), "", "difference of nan"),
}


@pytest.mark.parametrize(("function", "name", "reason"), FUNCTIONS.values(), ids=FUNCTIONS)
def test_functions_are_refused_by_name_place_and_advice(
    function: Callable[[Any, Tensor], Any], name: str, reason: str
) -> None:
    network = mlp(function)
    before = snapshot(network)
    with pytest.raises(UnsupportedModuleError) as caught:
        trace(network, (4,))
    message = str(caught.value)
    assert reason in message
    if name:
        assert f"Found `{name}` of type function" in message
        assert "`net.forward`" in message
    assert snapshot(network) == before


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 8)

    def forward(self, x: Tensor, goal: Tensor) -> Tensor:
        return F.relu(self.fc(x)) + goal


class OptionalInput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))

    def forward(self, x: Tensor, state: Tensor | None = None, info: int = 3) -> Tensor:
        return self.net(x) if state is None else self.net(state)


def test_two_inputs_are_refused_and_an_optional_one_is_not() -> None:
    with pytest.raises(
        UnsupportedModuleError, match="`goal` of type argument: the network takes more than one"
    ):
        trace(TwoInputs(), (4,))
    assert trace(OptionalInput(), (4,)).num_actions == 2


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.fc(x)) if x.sum() > 0 else self.fc(x)


def test_control_flow_on_the_input_is_refused() -> None:
    with pytest.raises(UnsupportedModuleError, match=r"Found Branching, whose forward fails .* control flow"):
        trace(Branching(), (4,))


def test_attention_is_refused() -> None:
    network = Function(
        lambda s, x: s.attention(x, x, x)[0].flatten(1),
        attention=nn.MultiheadAttention(8, 2, batch_first=True),
    )
    with pytest.raises(
        UnsupportedModuleError, match=r"`attention` of type MultiheadAttention\. Attention multi"
    ):
        trace(network, (3, 8))


class Counting(nn.Module):
    """State outside of parameters and buffers, changed by every forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.out, self.calls = nn.Linear(4, 8), nn.Linear(8, 2), 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.out(F.relu(self.fc(x))) + 0.01 * self.calls


class Alternating(Counting):
    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.out(F.relu(self.fc(x))) if self.calls % 2 else self.out(self.fc(x))


class RunningNormaliser(Counting):
    """An observation normaliser that goes on learning in eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("offset", torch.zeros(4))

    def forward(self, x: Tensor) -> Tensor:
        self.offset.add_(0.1)
        return self.out(F.relu(self.fc(x - self.offset)))


@pytest.mark.parametrize("kind", [Counting, Alternating, RunningNormaliser])
def test_hidden_state_is_found_by_running_the_network(kind: type[nn.Module]) -> None:
    network = kind()
    before = snapshot(network)
    with pytest.raises(
        UnsupportedModuleError, match=rf"{kind.__name__}\. Found a difference .*torch\.fx does not see"
    ):
        trace(network, (4,))
    assert snapshot(network) == before


def test_hidden_state_is_found_where_q_values_are_tiny() -> None:
    network = Function(lambda s, x: s.net(x) * 1e-3, net=Counting())
    with pytest.raises(UnsupportedModuleError, match=r"torch\.fx does not see"):
        trace(network, (4,))


def test_hooks_that_change_what_a_module_gives_are_found() -> None:
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    network[0].register_forward_hook(lambda module, inputs, output: 2 * output)
    with pytest.raises(UnsupportedModuleError, match=r"torch\.fx does not see"):
        trace(network, (4,))


class FixedBatch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.view(5, 4))


def test_a_network_for_one_size_of_batch_is_refused() -> None:
    with pytest.raises(
        (UnsupportedModuleError, ObservationError), match=r"FixedBatch fails on|fails on them"
    ):
        trace(FixedBatch(), (4,))


@pytest.mark.parametrize("module", [nn.Flatten(0), nn.Flatten(0, 1), nn.Unflatten(0, (1, -1))])
def test_modules_that_reshape_the_batch_are_refused(module: nn.Module) -> None:
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), module)
    with pytest.raises(
        UnsupportedModuleError, match=rf"`2` of type {type(module).__name__}: it mixes the samples"
    ):
        trace(network, (4,))


def test_a_network_without_a_relu_converts_nothing() -> None:
    network = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2))
    with pytest.raises(UnsupportedModuleError, match=r"at least one ReLU.*Found none in Sequential"):
        trace(network, (4,))


# Parameters


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.complex64])
@pytest.mark.filterwarnings("ignore:Complex modules are a new feature:UserWarning")
def test_other_dtypes_are_refused_by_the_parameters_name(dtype: torch.dtype) -> None:
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    network[2].to(dtype)
    with pytest.raises(UnsupportedModuleError, match=rf"`2\.weight` of {dtype}.*network\.float\(\)"):
        trace(network, (4,))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_parameters_that_are_not_finite_are_refused_by_name(bad: float) -> None:
    network = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    network[1].running_mean[3] = bad
    with pytest.raises(UnsupportedModuleError, match=r"NaN or infinity in `1\.running_mean`"):
        trace(network, (4,))


def test_networks_without_weights_yet_are_refused() -> None:
    for first in (nn.LazyLinear(8), nn.Linear(4, 8, device="meta")):
        with pytest.raises(UnsupportedModuleError, match=r"`0\.weight` has none yet"):
            trace(nn.Sequential(first, nn.ReLU(), nn.Linear(8, 2)), (4,))


class HoldsALock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stream = (i for i in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return x


def test_a_network_that_cannot_be_copied_is_refused() -> None:
    with pytest.raises(UnsupportedModuleError, match=r"deepcopy can copy. Found HoldsALock"):
        trace(HoldsALock(), (4,))


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(UnsupportedModuleError, match=r"a torch\.nn\.Module. Found function"):
        trace(lambda x: x, (4,))  # type: ignore[arg-type]


def test_a_chain_that_no_memory_holds_is_refused() -> None:
    network = nn.Sequential(
        nn.Conv2d(4, 32, 3), nn.Conv2d(32, 32, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32 * 80 * 80, 2)
    )
    with pytest.raises(
        UnsupportedModuleError, match=r"'1'. Found a chain that only a matrix of 204800 x 28224"
    ):
        trace(network, (4, 84, 84))


# Shapes


@pytest.mark.parametrize("shape", [(), (0,), (-4,), (4.0,), ("4",), 4, None])
def test_what_is_no_shape_is_an_argument_error(shape: Any) -> None:
    with pytest.raises(ArgumentError, match="Expected the shape of one observation"):
        trace(agent("cartpole"), shape)


@pytest.mark.parametrize("shape", [(5,), (4, 4), (1, 4, 1)])
def test_a_shape_that_does_not_fit_the_network_is_an_observation_error(shape: tuple[int, ...]) -> None:
    with pytest.raises((ObservationError, UnsupportedModuleError)) as caught:
        trace(agent("cartpole"), shape)
    assert str(list(shape))[1:-1] in str(caught.value) or "[B, 4, " in str(caught.value)


def test_an_image_network_names_what_fails_on_a_wrong_shape() -> None:
    with pytest.raises(ObservationError, match=r"shape \(4, 9, 9\). Found that `\d` fails on them"):
        trace(agent("minatar-breakout"), (4, 9, 9))
