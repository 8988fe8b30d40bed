"""What others take: a model as one file that needs neither torch nor the run folder, a grading as DICOM objects."""
