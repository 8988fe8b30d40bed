"""Settings of training, chosen for each fold among trials inside its learning patients."""
