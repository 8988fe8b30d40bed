"""What a person has drawn on scans: the journal of each reader, the labels that follow from it, and what they cost."""
