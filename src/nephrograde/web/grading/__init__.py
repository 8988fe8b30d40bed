"""The page that grades: scans are uploaded, read and graded by processes of their own, and removed afterwards."""
