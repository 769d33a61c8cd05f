"""How fast a spiking decision is, beside other libraries and beside the DQN itself.

Commands, each a module:

* `python -m dqn2snn.benchmark.speed`: one spiking network simulated by dqn2snn, snnTorch, Norse, SpikingJelly, Sinabs
  and BindsNET, as far as they are installed. Whoever is timed has its spike counts compared with the float64 reference
  first.
* `python -m dqn2snn.benchmark.crossover`: event-driven against dense simulation of single layers, by firing rate.
* `python -m dqn2snn.benchmark.streaming`: networks that remember, on the frames of a game in order, in forward passes
  of their DQN.

`dqn2snn bench`, whose package is `dqn2snn.benchmark.suite`, plays many games with many conversions. What agreement and
play cost in steps and spikes is measured by `dqn2snn.benchmark.table`, `dqn2snn.benchmark.minatar` and
`dqn2snn.benchmark.finetuning`.

Times are compared within one run, as ratios. They say nothing about another machine.
"""
