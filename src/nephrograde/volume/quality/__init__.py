"""Whether scans can be trusted: what is odd about one scan, and about a cohort as a whole."""
