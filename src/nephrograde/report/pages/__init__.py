"""Pages and their export."""
