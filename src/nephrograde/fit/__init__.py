"""LEARNING: one flat loop."""
