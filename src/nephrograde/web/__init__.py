"""ON A SCREEN: the pages that a browser shows, served from this machine and from nowhere else."""
