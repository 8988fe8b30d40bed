"""Exchange with other systems of a hospital: sending, receiving and retrieving DICOM objects."""
