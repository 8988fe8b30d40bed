"""The run folder, its stages and its provenance."""
