"""Evaluation: scores, measures, comparisons and baselines."""
