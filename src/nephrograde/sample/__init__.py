"""WHAT A MODEL SEES: slices, tumour boxes, augmentation, the prepared cache."""
