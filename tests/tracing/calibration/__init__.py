"""Tests of dqn2snn.tracing.calibration."""
