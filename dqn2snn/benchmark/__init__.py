"""The benchmark: games, recipes, steps, percentiles and seeds, episode by episode, on one machine or on many.

`dqn2snn bench` plays the same episodes with every DQN and with its spiking networks. Each finished episode is one line
of JSON that is on the disk before the next is asked for, so that a run that was killed goes on where it was, and one
with more of anything adds to what is there. `report` makes tables and pictures of the lines, whenever it is asked.
"""

from dqn2snn.benchmark.results import Results, read
from dqn2snn.benchmark.run import run
from dqn2snn.benchmark.settings import Protocol, Settings, Unit
from dqn2snn.benchmark.summary import Summary, summarise

__all__ = ["Protocol", "Results", "Settings", "Summary", "Unit", "read", "run", "summarise"]
