"""WHICH PHASE IS IT: what times, words, the order of the series and the image say, and how far they can be trusted."""
