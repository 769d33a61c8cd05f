"""How fast a spiking decision is, beside other libraries and beside the DQN itself.

Whoever is timed has its spike counts compared with the float64 reference first. Times are compared within one run, as
ratios. They say nothing about another machine.
"""
