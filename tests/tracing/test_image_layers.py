"""Every supported layer of images folds into the layers that it should, exactly: from pooling to padding."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dqn2snn.plan.ops import Conv, Pad, SumPool
from tests.tracing.folding import IMAGE, Function, assert_folds, randomised

# A pooled image of IMAGE: kept as a sum of spikes where one factor makes the average, else a matrix.
POOLINGS: dict[str, tuple[nn.Module, bool]] = {
    "plain": (nn.AvgPool2d(2), True),
    "stride": (nn.AvgPool2d(3, stride=2), True),
    "oblong": (nn.AvgPool2d((2, 3), stride=(1, 2)), True),
    "padded": (nn.AvgPool2d(3, padding=1), True),
    "padding not counted": (nn.AvgPool2d(3, padding=1, count_include_pad=False), False),
    "ceil": (nn.AvgPool2d(2, ceil_mode=True), False),
    "ceil, padded": (nn.AvgPool2d(3, padding=1, ceil_mode=True), False),
    "divisor": (nn.AvgPool2d(2, divisor_override=3), True),
    "divisor, padding not counted": (
        nn.AvgPool2d(2, padding=1, count_include_pad=False, divisor_override=5),
        True,
    ),
    "adaptive": (nn.AdaptiveAvgPool2d(2), False),
    "adaptive, uneven": (nn.AdaptiveAvgPool2d((3, 2)), False),
    "global": (nn.AdaptiveAvgPool2d(1), False),
    "F.avg_pool2d": (Function(lambda s, x: F.avg_pool2d(x, 2, stride=1)), True),
    "F.avg_pool2d positional": (Function(lambda s, x: F.avg_pool2d(x, (2, 2), 2, 1)), True),
    "F.avg_pool2d ceil": (Function(lambda s, x: F.avg_pool2d(x, 2, ceil_mode=True)), False),
    "F.adaptive_avg_pool2d": (Function(lambda s, x: F.adaptive_avg_pool2d(x, (2, 2))), False),
    "global mean": (Function(lambda s, x: x.mean((2, 3), keepdim=True)), False),
}


@pytest.mark.parametrize(("pool", "is_sum"), POOLINGS.values(), ids=POOLINGS)
@pytest.mark.parametrize("before_relu", [False, True], ids=["after the ReLU", "before the ReLU"])
def test_average_poolings(pool: nn.Module, is_sum: bool, before_relu: bool) -> None:
    first = nn.Conv2d(3, 4, 3, padding=1)
    block = [first, pool, nn.ReLU()] if before_relu else [first, nn.ReLU(), pool]
    features = pool(torch.zeros(1, 4, *IMAGE[1:])).numel()
    network = nn.Sequential(*block, nn.Flatten(), nn.Linear(features, 2))
    hidden = features if before_relu else 4 * 8 * 7
    graph = assert_folds(randomised(network), IMAGE, [hidden, 2])
    assert any(isinstance(op, SumPool) for layer in graph.all_layers for op in layer.ops) == is_sum


@pytest.mark.parametrize("affine", [True, False], ids=["affine", "plain"])
@pytest.mark.parametrize("padding", [0, 1, "same"])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")  # torch copies for even kernels
def test_batch_norm_around_convolutions(affine: bool, padding: int | str, groups: int) -> None:
    """Behind a ReLU and before a padded convolution it makes the bias depend on the position."""
    network = nn.Sequential(
        nn.BatchNorm2d(3, affine=affine),
        nn.Conv2d(3, 4, 3, padding=padding),
        nn.BatchNorm2d(4, affine=affine, eps=0.01),
        nn.ReLU(),
        nn.BatchNorm2d(4, affine=affine),
        nn.AvgPool2d(2, 1, padding=1),
        nn.Conv2d(4, 6, 2, padding=padding, groups=groups, bias=False),
        nn.ReLU(),
        nn.BatchNorm2d(6, affine=affine),
        nn.Flatten(),
        nn.LazyLinear(2),
    ).eval()
    network(torch.zeros(1, *IMAGE))
    first, second = (network[:n](torch.zeros(1, *IMAGE)).numel() for n in (4, 8))
    graph = assert_folds(randomised(network), IMAGE, [first, second, 2])
    assert graph.layers[0].bias.ndim == (1 if padding == 0 else 3)
    assert all(isinstance(op, (Conv, SumPool, Pad)) for layer in graph.layers for op in layer.ops)


def test_batch_norm_of_features_in_either_order() -> None:
    network = nn.Sequential(
        nn.BatchNorm1d(4),
        nn.Linear(4, 8),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.Linear(8, 6, bias=False),
        nn.ReLU(),
        nn.BatchNorm1d(6, affine=False),
        nn.Linear(6, 2),
        nn.BatchNorm1d(2),
    )
    graph = assert_folds(randomised(network), (4,), [8, 6, 2])
    assert all(len(layer.ops) == 1 for layer in graph.all_layers)


def test_batch_norm_is_taken_in_eval_mode_and_left_in_training_mode() -> None:
    network = randomised(nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2)))
    network.train()
    assert_folds(network, (4,), [8, 2])
    assert network[1].training


DROPOUTS = [nn.Dropout(), nn.Dropout1d(), nn.AlphaDropout(), nn.FeatureAlphaDropout(), nn.Identity()]


@pytest.mark.parametrize("module", DROPOUTS, ids=lambda module: type(module).__name__)
def test_dropout_and_identity_vanish(module: nn.Module) -> None:
    network = nn.Sequential(module, nn.Linear(4, 8), module, nn.ReLU(), module, nn.Linear(8, 2), module)
    graph = assert_folds(randomised(network), (4,), [8, 2])
    assert [layer.name for layer in graph.all_layers] == ["1", "5"]


def test_dropout_of_images_and_functional_dropout_vanish() -> None:
    network = Function(
        lambda s, x: s.out(F.dropout(s.drop(F.relu(s.conv(x))).flatten(1), 0.5, training=s.training)),
        conv=nn.Conv2d(3, 2, 3),
        drop=nn.Dropout2d(),
        out=nn.Linear(60, 2),
    )
    assert_folds(randomised(network), IMAGE, [60, 2])


CONVOLUTIONS: dict[str, nn.Conv2d] = {
    "1 x 1": nn.Conv2d(3, 5, 1),
    "stride": nn.Conv2d(3, 5, 3, stride=2),
    "oblong": nn.Conv2d(3, 5, (2, 3), stride=(2, 1), padding=(0, 2)),
    "dilated": nn.Conv2d(3, 5, 3, padding=2, dilation=2),
    "oblong dilation": nn.Conv2d(3, 5, 3, dilation=(1, 3)),
    "depthwise": nn.Conv2d(3, 6, 3, groups=3),
    "no bias": nn.Conv2d(3, 5, 3, bias=False),
    "valid": nn.Conv2d(3, 5, 4, padding="valid"),
    "same, odd": nn.Conv2d(3, 5, 3, padding="same"),
    "same, even": nn.Conv2d(3, 5, (4, 2), padding="same"),
    "same, even, dilated": nn.Conv2d(3, 6, 2, padding="same", dilation=3, groups=3),
}


@pytest.mark.parametrize("conv", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")  # torch copies for even kernels
def test_convolutions(conv: nn.Conv2d) -> None:
    features = conv(torch.zeros(1, *IMAGE)).numel()
    network = nn.Sequential(conv, nn.ReLU(), nn.Flatten(), nn.Linear(features, 2))
    graph = assert_folds(randomised(network), IMAGE, [features, 2])
    own = [op for op in graph.layers[0].ops if isinstance(op, Conv)]
    assert own[0].weight.shape == conv.weight.shape


PADDINGS: dict[str, nn.Module] = {
    "ZeroPad2d": nn.ZeroPad2d((1, 0, 2, 1)),
    "ConstantPad2d": nn.ConstantPad2d(2, 0.0),
    "F.pad": Function(lambda s, x: F.pad(x, (0, 1, 2, 0))),
    "F.pad value": Function(lambda s, x: F.pad(x, [1, 1, 1, 1], mode="constant", value=0)),
    "cropping": nn.ZeroPad2d((-1, 0, 1, -2)),
}


@pytest.mark.parametrize("pad", PADDINGS.values(), ids=PADDINGS)
def test_zero_paddings(pad: nn.Module) -> None:
    conv = nn.Conv2d(3, 4, 3, stride=2)
    features = conv(pad(torch.zeros(1, *IMAGE))).numel()
    network = nn.Sequential(nn.BatchNorm2d(3), pad, conv, nn.ReLU(), nn.Flatten(), nn.Linear(features, 2))
    graph = assert_folds(randomised(network), IMAGE, [features, 2])
    assert [type(op) for op in graph.layers[0].ops] == [Pad, Conv]
