"""WHERE UNITS ARE DONE: here, on a SLURM cluster, or by Ray on a box with several GPUs or a cluster."""
