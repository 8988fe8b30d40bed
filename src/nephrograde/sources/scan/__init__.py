"""A hospital's folder of DICOM files: find them, read their headers, choose the series, write the cohort table."""
