"""Words and numbers in the report."""
