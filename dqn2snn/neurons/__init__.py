"""Networks of native neuron modules: `snntorch` and `norse`, each a reading of one `SpikingPlan`.

The two submodules are imported by name, because each needs its own library:

    from dqn2snn.neurons.snntorch import IF, to_snntorch
    from dqn2snn.neurons.norse import IFCell, to_norse
"""
