"""Videos of a spiking network that plays: the game, the spikes of each decision, both networks' Q-values."""

from dqn2snn.plot.video._record import record_video

__all__ = ["record_video"]
