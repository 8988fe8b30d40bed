"""The score table: from the predictions of folds and from files, on one scale."""
