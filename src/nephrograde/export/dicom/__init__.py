"""A grading as DICOM objects."""
