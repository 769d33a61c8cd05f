"""The meaning of spikes, a coding a file: each has a subclass of `dqn2snn.plan.coding.Coding` and a `CODING` of it."""
