"""Probabilities against outcomes: calibration, recalibration, updating, and net benefit."""
