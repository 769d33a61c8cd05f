"""dqn2snn: a trained deep Q-network in, a spiking network that takes the same decisions out."""

__version__ = "0.1.0"
