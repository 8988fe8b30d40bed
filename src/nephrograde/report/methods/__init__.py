"""Methods paragraphs, checklists and model cards."""
