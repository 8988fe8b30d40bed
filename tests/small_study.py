"""The study file of a small study: by default one phase, one weak arm, two folds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WEAK_ARM = '[[arm]]\nname = "weak-1"\nsupervision = "box"\nslices = 1\n'
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
    phases: Sequence[str] = ("cmp",),
    arms: str = WEAK_ARM,
    image: str = "slice_px = 32\nslice_mm = 140.0\n",
    fit: str = "",
    evaluate: str = "bootstraps = 100\n",
) -> str:
    """Write the study file.

    Args:
        name: What the study is called.
        phases: Those of the cohort.
        arms: The tables of the arms, with their headings.
        image: The lines of this table of the file; empty leaves the table out.
        fit: As ``image``.
        evaluate: As ``image``.
    """
    beginning = f'name = "{name}"\nsynthetic = true\n'
    cohort = f'[cohort]\ntable = "cohort.csv"\nphases = {json.dumps(list(phases))}\n'
    tables = {"image": image, "fit": fit, "evaluate": evaluate}
    written = "".join(f"[{table}]\n{lines}" for table, lines in tables.items() if lines)
    return f"{beginning}{cohort}[split]\nfolds = 2\n{arms}{written}"
