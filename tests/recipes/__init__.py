"""Tests of dqn2snn.recipes."""
