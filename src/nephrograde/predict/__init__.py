"""A NEW PATIENT: grade one scan with the models of a finished run."""
