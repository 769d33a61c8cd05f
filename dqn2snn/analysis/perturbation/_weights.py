"""Perturbations of weights, in a traced network and in a plan alike."""

from __future__ import annotations

from dataclasses import replace

import torch

from dqn2snn._utils.host import on_host
from dqn2snn.analysis.perturbation._observations import check_sigma
from dqn2snn.plan import PlanOrNetwork, SpikingPlan, plan_of
from dqn2snn.plan.graph import AffineLayer, LayerGraph
from dqn2snn.tracing.observations import Observations


def noisy_graph(graph: LayerGraph, *, sigma: float, seed: int) -> LayerGraph:
    """Multiply every weight by ``1 + sigma n`` with ``n`` of the standard normal distribution.

    Biases stay. The noise is relative, so that it is the same for all scales of the weights: `weight_noise` does to a
    plan that was made of the graph what this does to the graph.

    Args:
        graph: A traced network.
        sigma: Standard deviation as a share of the weight.
        seed: Determines the noise.

    Returns:
        LayerGraph: The noisy network, which maps observations to Q-values.

    Raises:
        ArgumentError: If sigma is negative.

    Example:
        >>> from torch import nn
        >>> from dqn2snn.tracing import trace
        >>> graph = trace(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), (4,))
        >>> noisy = noisy_graph(graph, sigma=0.1, seed=0)
        >>> noisy(torch.rand(3, 4, dtype=torch.float64)).shape
        torch.Size([3, 2])
    """
    check_sigma(sigma)
    *layers, head = (
        _noisy(layer, sigma, _generator(seed, index)) for index, layer in enumerate(graph.all_layers)
    )
    return replace(graph, layers=tuple(layers), head=head)


@on_host()
def weight_noise(
    plan: PlanOrNetwork, graph: LayerGraph, observations: Observations, *, sigma: float, seed: int
) -> SpikingPlan:
    """Multiply every weight of a plan by ``1 + sigma n``, with the numbers ``n`` of `noisy_graph`.

    It has the form of a correction, and goes last: thresholds, and what other corrections have fitted, are those of
    the network without noise, as on hardware whose synapses are inexact.

    Args:
        plan: A plan in raw numbers, or its network.
        graph: The network that it was made of; not used.
        observations: Not used.
        sigma: Standard deviation as a share of the weight.
        seed: Determines the noise.

    Returns:
        SpikingPlan: With other weights.

    Raises:
        ArgumentError: If sigma is negative.

    Example:
        >>> from torch import nn
        >>> import dqn2snn
        >>> net, states = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.rand(100, 4)
        >>> recipe = dqn2snn.recipes.Recipe("rate+ridge").then(weight_noise, sigma=0.1, seed=0)
        >>> dqn2snn.convert(net, states, recipe=recipe, num_steps=8).plan.recipe
        'rate+ridge+weight_noise:sigma=0.1:seed=0'
    """
    plan = plan_of(plan)
    check_sigma(sigma)
    *layers, output = (
        replace(layer, affine=_noisy(layer.affine, sigma, _generator(seed, index)))
        for index, layer in enumerate(plan.all_layers)
    )
    return replace(plan, layers=tuple(layers), output=output)


def _noisy(affine: AffineLayer, sigma: float, generator: torch.Generator) -> AffineLayer:
    noise = torch.randn(affine.weight.shape, generator=generator, dtype=torch.float64)
    return affine.with_parameters(affine.weight * (1 + sigma * noise), affine.bias)


def _generator(seed: int, layer: int) -> torch.Generator:
    """A stream for each layer, so that none depends on the sizes of those before it."""
    return torch.Generator().manual_seed(1000 * seed + layer)
