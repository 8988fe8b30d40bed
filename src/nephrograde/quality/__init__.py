"""Whether a cohort is sound: duplicate, exchanged, truncated or unusable scans."""
