"""Tests of dqn2snn.tracing."""
