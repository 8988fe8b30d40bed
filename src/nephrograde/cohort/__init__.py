"""WHO is in the study: the table of patients, positions in the patient, and the split."""
