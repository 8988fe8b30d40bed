"""What DICOM objects say of a grading, in English and in ASCII, and without the name of any file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from anyascii import anyascii

from nephrograde.vocabulary import phase_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nephrograde.cohort.case import Scan
    from nephrograde.export.dicom.region import Kind
    from nephrograde.predict.examined import Examined
    from nephrograde.predict.grader import Grader

GRADES: Final = {"high": "High WHO/ISUP grade (3-4)", "low": "Low WHO/ISUP grade (1-2)"}
PRESUMED: Final = (
    "Clear cell renal cell carcinoma is presumed: the algorithm was fitted on such tumours and does not recognise them."
)
SYNTHETIC: Final = "The model was trained on SYNTHETIC data: its answer means nothing for a patient."
RESEARCH: Final = "RESEARCH USE ONLY"
SEGMENTED: Final = "tumour's mask as it was graded"
MARKED: Final[Mapping[Kind, str]] = {
    "outline": "outline of the tumour's mask on the image where it is largest",
    "box": "box around the tumour, on its middle image",
    "point": "point in the tumour",
    "region": "region that the algorithm was shown; nobody marked the tumour",
}


def series_title(what: str, *, synthetic: bool) -> str:
    """Describe a series in at most 64 characters, as DICOM wants it.

    Args:
        what: What it holds.
        synthetic: Whether the model was trained on synthetic data.

    >>> series_title("tumour mask as graded", synthetic=True)
    'SYNTHETIC MODEL, RESEARCH USE ONLY: tumour mask as graded'
    """
    return f"{'SYNTHETIC MODEL, ' if synthetic else ''}{RESEARCH}: {what}"[:64]


def certainty(examined: Examined) -> list[str]:
    """Say what was found, and how sure that is.

    Args:
        examined: The graded patient.
    """
    grading = examined.grading
    low, high = min(grading.p_high_of_folds), max(grading.p_high_of_folds)
    lines = [
        f"{GRADES[grading.call]} at the threshold {grading.threshold:.3f} ({grading.threshold_rule})",
        f"p(high) = {grading.p_high:.3f}; the {len(grading.p_high_of_folds)} folds give {low:.3f} to {high:.3f}",
        *grading.certainty(),
    ]
    return list(map(anyascii, lines))


def parameters(grader: Grader, examined: Examined) -> list[str]:
    """State the parameters of the algorithm.

    Args:
        grader: What graded the patient.
        examined: The graded patient.
    """
    grading = examined.grading
    missing = grading.phases_missing
    lines = [
        f"model: {grading.model}",
        f"phases: {phase_name(grading.phase)}" + (f"; not given: {', '.join(missing)}" if missing else ""),
        f"annotation: {grading.supervision}",
        f"region shown: {', '.join(_region_of(examined))}",
        f"threshold: {grading.threshold:.6g} ({grading.threshold_rule})",
        f"networks: {len(grading.p_high_of_folds)}, {grading.folds_high} of which call high by themselves",
        f"trained on: {'SYNTHETIC data' if grading.synthetic else 'the cohort of a study'}",
        *([f"in its study: {grading.performance}"] if grading.performance else []),
        f"study: SHA-256 {grader.study_sha256}",
    ]
    return list(map(anyascii, lines))


def remarks(examined: Examined) -> list[str]:
    """Say what must be known of the answer: what it may be used for, and what is doubtful.

    Args:
        examined: The graded patient.
    """
    grading = examined.grading
    doubts = [f"Warning: {_without_files(text, examined.scans)}" for text in grading.warnings]
    lines = [grading.research_use_only, *([SYNTHETIC] if grading.synthetic else []), PRESUMED, *doubts]
    return list(map(anyascii, lines))


def _region_of(examined: Examined) -> Sequence[str]:
    grading = examined.grading
    slices = f"slices {' '.join(map(str, grading.slices))} (from 0, feet to head)" if grading.slices else "a box"
    return [slices, *([" x ".join(f"{edge:g}" for edge in grading.region_mm) + " mm"] if grading.region_mm else [])]


def _without_files(text: str, scans: Mapping[str, Scan]) -> str:
    """A warning with the phase in the place of each file: the names of files often say who the patient is."""
    for phase, scan in scans.items():
        named = [(path, phase) for path in scan.image_paths]
        named += [(path, f"mask of {phase}") for path in (scan.mask_path, scan.kidneys_path) if path]
        for path, name in named:
            if text.startswith(f"{path}: "):
                return f"{name}: {text.removeprefix(f'{path}: ')}"
    return text
