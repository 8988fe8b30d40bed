"""The file that holds a suggested recalibration; nothing reads it by itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from nephrograde.files import write_json
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.evaluation.calibration.updating import Advice, UpdateRow
    from nephrograde.export.grader_file import GraderFile

FORMAT_VERSION = 1


def write_advice(advice: Advice, file: GraderFile, path: Path, *, cohort: str, synthetic: bool) -> None:
    """Write ``recalibration.json``: every update with its gain, and which one is suggested.

    Args:
        advice: From :func:`~nephrograde.evaluation.calibration.updating.advise_update`.
        file: The grader file that it is about.
        path: The file to write.
        cohort: The name of the cohort that it was learnt from.
        synthetic: Whether patients or model are synthetic.
    """
    write_json(
        path,
        {
            "format_version": FORMAT_VERSION,
            "model": file.card.model,
            "grader_sha256": file.archive.file_sha256(),
            "holds_on": file.decision.holds_on,
            "formula": "log odds = intercept + slope * log odds of p_high",
            "applied": False,
            "suggested": advice.suggested.value,
            "why": advice.why.value,
            "cohort": cohort,
            "synthetic": synthetic,
            "n": advice.n,
            "n_high": advice.n_high,
            "prevalence_of_development": _known(advice.prevalence),
            "p_any": _known(advice.p_any),
            "p_slope": _known(advice.p_slope),
            "log_loss_gain_of_choosing_corrected": _known(advice.corrected_gain),
            "is_prevalence_enough": advice.is_prevalence_enough,
            "bootstrap_replicates": advice.replicates,
            "updates": {row.update.value: _numbers(row) for row in advice.rows},
            "research_use_only": RESEARCH_USE_ONLY,
        },
    )


def _numbers(row: UpdateRow) -> dict[str, Any]:
    names = [name for name in row.__dataclass_fields__ if name != "update"]
    return {name: _known(getattr(row, name)) for name in names}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
