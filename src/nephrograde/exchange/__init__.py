"""Patients in and answers out over the network: DICOM (C-STORE) and DICOMweb."""
