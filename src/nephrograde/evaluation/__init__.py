"""WHAT IT IS WORTH: scores, measures, comparisons, baselines."""
