"""Tests of dqn2snn.neurons."""
