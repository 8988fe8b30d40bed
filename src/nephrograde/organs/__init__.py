"""The kidneys in a CT scan: location and contrast enhancement."""
