"""Prediction: grade one scan with the models of a finished run."""
