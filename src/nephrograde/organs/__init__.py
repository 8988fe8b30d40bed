"""Where the kidneys are, and how they enhance."""
