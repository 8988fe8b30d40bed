"""The study file of a small study: one phase, one weak arm, two folds."""

from __future__ import annotations

_BEGINNING = """
name = "{name}"
synthetic = true
[cohort]
table = "cohort.csv"
phases = ["cmp"]
[split]
folds = 2
[[arm]]
name = "weak-1"
supervision = "box"
slices = 1
"""
QUICK_FIT = """epochs = 1
warmup_epochs = 0
batch_size = 4
patience = 0
accelerator = "cpu"
"""
"""A fit of one epoch."""


def small_study(
    name: str,
    *,
    image: str = "slice_px = 32\nslice_mm = 140.0\n",
    fit: str = "",
    evaluate: str = "bootstraps = 100\n",
) -> str:
    """Write the study file.

    Args:
        name: What the study is called.
        image: The lines of this table of the file; empty leaves the table out.
        fit: As ``image``.
        evaluate: As ``image``.
    """
    tables = {"image": image, "fit": fit, "evaluate": evaluate}
    return _BEGINNING.format(name=name) + "".join(f"[{table}]\n{lines}" for table, lines in tables.items() if lines)
