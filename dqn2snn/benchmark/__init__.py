"""How fast a spiking decision is, beside other libraries and beside the DQN itself.

Two commands, each a module:

* `python -m dqn2snn.benchmark.speed`: one spiking network simulated by dqn2snn, snnTorch, Norse, SpikingJelly, Sinabs
  and BindsNET, as far as they are installed. Whoever is timed has its spike counts compared with the float64 reference
  first.
* `python -m dqn2snn.benchmark.crossover`: event-driven against dense simulation of single layers, by firing rate.

Times are compared within one run, as ratios. They say nothing about another machine.
"""
