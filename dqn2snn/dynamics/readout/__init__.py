r"""Readouts: from what the output neurons did in T steps to a number per action.

The modules plug into any snnTorch or Norse loop that stacks its records time-first, and may be
exchanged for one another: they take the same arguments and speak the same unit, input current per step as
a multiple of the threshold, times `scale`. With a network normalised as in Tan et al. (2021), `scale` is
the last layer's normalisation factor and the result is in the DQN's own Q-values.

The functions below the modules take totals (spike counts, last membrane, number of steps), so a loop that
keeps no records can use them too, and one record gives the readout after every step:

    >>> import torch
    >>> spk_rec = torch.tensor([[0.0], [1.0], [0.0], [1.0]])          # [T, B] = [4, 1], current 0.6 per step
    >>> mem_rec = torch.tensor([[0.6], [0.2], [0.8], [0.4]])          # after the reset
    >>> steps = torch.arange(1, 5).view(4, 1)
    >>> robust_rate(spk_rec.cumsum(0), mem_rec, steps).flatten()
    tensor([0.6000, 0.6000, 0.6000, 0.6000])
    >>> spike_count(spk_rec.cumsum(0), steps).flatten()
    tensor([0.0000, 0.5000, 0.3333, 0.5000])
"""

from dqn2snn.dynamics.readout.functional import membrane_potential, robust_rate, spike_count
from dqn2snn.dynamics.readout.modules import MembranePotential, RobustRate, SpikeCount
from dqn2snn.dynamics.readout.slope import RobustSlope

__all__ = [
    "MembranePotential",
    "RobustRate",
    "RobustSlope",
    "SpikeCount",
    "membrane_potential",
    "robust_rate",
    "spike_count",
]
