"""Tests of dqn2snn.engine."""
