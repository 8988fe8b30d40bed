"""Files that others take as they are: each imports nothing of nephrograde, and nothing of nephrograde needs them."""
