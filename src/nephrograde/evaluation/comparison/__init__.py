"""One model against another on the same patients."""
