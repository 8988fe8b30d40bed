"""DICOM as it comes: from the files of one series to its numbers and its grid."""
