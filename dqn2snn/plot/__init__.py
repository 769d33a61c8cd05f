"""Pictures and videos: agreement over time, one decision spike by spike, where errors come from, a game played.

Every function takes data and optionally the Axes to draw in, and returns the Axes (`plot_decision`, which needs
two, returns the Figure). Nothing goes through `matplotlib.pyplot` and no global setting is changed, so pictures
drawn here leave the caller's own alone. Save one with ``axes.figure.savefig("agreement.png")``.
"""

from dqn2snn.plot._agreement import plot_agreement, plot_sweep
from dqn2snn.plot._decision import plot_decision, plot_q_values, plot_raster
from dqn2snn.plot._diagnosis import plot_diagnosis

__all__ = ["plot_agreement", "plot_decision", "plot_diagnosis", "plot_q_values", "plot_raster", "plot_sweep"]
