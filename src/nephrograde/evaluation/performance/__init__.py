"""The performance of one model: areas under its ROC curve, its calls, and their intervals."""
