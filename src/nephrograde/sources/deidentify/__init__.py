"""Copies of DICOM folders from which the patients cannot be told: headers cleaned, dates shifted, UIDs replaced."""
