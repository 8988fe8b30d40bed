"""WHICH PHASE IS IT: what times, words, series order and image say, and how far each can be trusted."""
