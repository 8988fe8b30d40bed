"""WHERE COHORTS COME FROM: writes tables and images; nothing below needs it."""
