"""What a run found, read once and typed; no other room reads the tables in ``statistics/``."""

from nephrograde.results.checked import Row
from nephrograde.results.fitted import FittedFold
from nephrograde.results.results import Model, Results

__all__ = ["FittedFold", "Model", "Results", "Row"]
