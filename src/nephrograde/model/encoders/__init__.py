"""Pre-trained encoders: which are known, where their files are, and the features that they give of a picture."""
