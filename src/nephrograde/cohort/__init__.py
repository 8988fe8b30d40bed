"""WHO is in the study: the table of patients, where things lie, and the split."""
