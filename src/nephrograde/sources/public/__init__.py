"""Public cohorts of renal CT: chosen from an index, their grades joined, downloaded so that it can be resumed."""
