"""How well every recipe does in how many steps: the table behind the page on few steps.

`python docs/measure.py table` measures cells: an agent, a recipe, a number of steps. Each leaves one line of JSON
with the agreement on held-out states, the return in play and the spikes that both took. What was measured stays
measured: a run that was killed goes on where it was, and one with more recipes or steps adds to it.
"""
