"""What each level of annotation yields, and what it costs."""
