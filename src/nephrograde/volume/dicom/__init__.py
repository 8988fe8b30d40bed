"""Raw DICOM: from the files of one series to its values and its grid."""
