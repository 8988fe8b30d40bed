"""The synthetic cohort: patients, bodies and scans made by code. Nothing in it shows a real person."""
