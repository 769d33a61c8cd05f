"""Tests of dqn2snn.calibration."""
