"""Public cohorts of renal CT: selected from an index, joined with their grades, and downloaded with resumption."""
