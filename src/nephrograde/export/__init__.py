"""Models for others: a fitted model as one file that needs neither torch nor the run folder."""
