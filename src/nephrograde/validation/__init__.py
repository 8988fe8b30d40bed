"""A packed model on another hospital's cohort: its statistics, drift, and what a recalibration would change."""
