"""WHAT WAS SCANNED: reading images to HU and mm, checking them, cutting out regions."""
