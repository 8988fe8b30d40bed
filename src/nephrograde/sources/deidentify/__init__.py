"""De-identified copies of DICOM folders: headers cleaned, dates shifted, UIDs replaced."""
