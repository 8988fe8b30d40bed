"""Words and numbers of the report."""
