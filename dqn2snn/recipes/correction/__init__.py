"""Corrections: errors of a conversion, put right in closed form from observations alone.

A correction is a pure function `(plan, graph, observations) -> SpikingPlan` on a plan in raw numbers. It simulates the
plan, compares firing rates with the DQN's activations, and changes biases, initial membranes or
weights, layer by layer, each on the spikes that the corrected layers before it send. Nothing is trained: every
correction is a mean or a closed form, takes seconds, and costs the network nothing but, at most, a table of biases.

    light       a bias for each channel (Li et al. 2021)
    potential   an initial membrane for each neuron (Li et al. 2021)
    ftbc        a bias for each channel and step (Wu et al. 2024)
    ridge       the readout, by least squares
    ridge_all   every matrix behind the first layer, by least squares, then the readout
    hard_reset  neurons for hardware that resets to zero

They compose, what is in time before what is in weights: `ftbc` and then `ridge`, for instance. A `Recipe` does it,
`"tan2021+ftbc+ridge"`; each can be called by itself as well. Judge the result on other observations than those it was
corrected on.

Example:
    >>> import torch
    >>> from torch import nn
    >>> import dqn2snn
    >>> from dqn2snn.plan.grid import on_grid
    >>> from dqn2snn.tracing import trace
    >>> net, states = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.rand(64, 4)
    >>> plan = dqn2snn.convert(net, states, recipe="tan2021", num_steps=8, grid=None).plan
    >>> graph = trace(net, (4,))
    >>> plan = ridge(potential(plan, graph, states), graph, states)
    >>> snn = dqn2snn.SpikingQNetwork(on_grid(plan, "auto", 1.0))
    >>> snn.plan.recipe
    'tan2021+potential+ridge'
"""

from dqn2snn.recipes.correction._spikes import mean_spikes
from dqn2snn.recipes.correction.ftbc import ftbc
from dqn2snn.recipes.correction.hard_reset import hard_reset
from dqn2snn.recipes.correction.light import light
from dqn2snn.recipes.correction.potential import potential
from dqn2snn.recipes.correction.ridge import ridge
from dqn2snn.recipes.correction.ridge_all import ridge_all

__all__ = ["ftbc", "hard_reset", "light", "mean_spikes", "potential", "ridge", "ridge_all"]
