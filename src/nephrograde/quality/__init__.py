"""Checks of a cohort: duplicate, exchanged, truncated or unusable scans."""
