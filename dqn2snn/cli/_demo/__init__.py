"""The demonstration: every shipped agent converted by the seed paper's recipe, measured and drawn.

For each agent, `run_demo`

1. collects observations and converts the DQN (Tan et al. 2021, T = 500);
2. measures agreement on fresh observations after 1 to T steps;
3. plays 50 episodes with the spiking network and the same 50 with the DQN, epsilon 0.05, and counts on how many of the
   spiking network's decisions the DQN would have done the same: the protocol of the paper, with intervals.

It leaves `results.json`, `table.md` made of it, `agreement.png`, `raster.png` with one decision, and `playing.gif`.
The results hold no dates and no timings: the same versions give the same file.
"""

from dqn2snn.cli._demo._run import DemoSettings, run_demo
from dqn2snn.cli._demo._table import markdown_table, text_table

__all__ = ["DemoSettings", "markdown_table", "run_demo", "text_table"]
