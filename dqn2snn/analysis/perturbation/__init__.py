"""Perturbations of observations and weights, to ask how well decisions hold.

On observations, after Patel et al. (2019), "Improved robustness of reinforcement learning policies upon conversion to
spiking neuronal network platforms applied to Atari Breakout game", Neural Networks 120, arXiv 1903.11012:

    bar               some rows of an image are black
    gaussian          Gaussian noise is added to every number
    salt_and_pepper   some numbers become the lowest or the highest that there is

On networks:

    weight_noise      every weight of a plan is multiplied by 1 + sigma times a normal number

Example:
    >>> import torch
    >>> frames = torch.full((1, 4, 84, 84), 255.0)
    >>> int((bar(frames, row=40) == 0).sum())  # three rows of 84 in four frames
    1008
"""

from dqn2snn.analysis.perturbation._observations import bar, gaussian, salt_and_pepper
from dqn2snn.analysis.perturbation._weights import noisy_graph as noisy_graph
from dqn2snn.analysis.perturbation._weights import weight_noise

__all__ = ["bar", "gaussian", "salt_and_pepper", "weight_noise"]
