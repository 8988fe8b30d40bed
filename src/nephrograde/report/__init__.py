"""ON PAPER: tables, figures, one self-contained document."""
