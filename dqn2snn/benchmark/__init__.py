"""The games' benchmark: games, recipes, steps, percentiles and seeds, episode by episode, on one machine or on many.

`dqn2snn bench` plays the same episodes with every DQN and with its spiking networks. Each finished episode is one line
of JSON that is on the disk before the next is asked for. A run that was killed goes on where it was, and one with more
of anything adds to what is there. Tables and pictures are made of the lines, whenever a report is asked for.
"""

from dqn2snn.benchmark._network import references_of
from dqn2snn.benchmark._report import report_text, write_report
from dqn2snn.benchmark._results import Results, read
from dqn2snn.benchmark._run import run
from dqn2snn.benchmark._settings import Conditions, Settings, Unit
from dqn2snn.benchmark._summary import Summary, summarise

__all__ = [
    "Conditions",
    "Results",
    "Settings",
    "Summary",
    "Unit",
    "read",
    "references_of",
    "report_text",
    "run",
    "summarise",
    "write_report",
]
