"""The report: tables and figures in one self-contained document."""
