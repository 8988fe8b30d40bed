"""The page to look a choice of series over: per patient the chosen scans with pictures, and every other series."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from nephrograde.errors import RunError
from nephrograde.files import read_rows
from nephrograde.report.pages.page import picture_uri, render, write_page
from nephrograde.report.text.language import phase_in_words, speaking, t
from nephrograde.vocabulary import KNOWN_PHASES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from nephrograde.report.text.language import Language

PHASE_ORDER = tuple(KNOWN_PHASES)
UNSURE = 0.9
"""A chosen series whose phase is less probable is to be looked at first. Our choice."""
MASK = "mask of a chosen series"
"""How the reason of a mask that was taken begins."""
_NEEDED = {"patient_id", "series_uid", "description", "phase", "probability", "evidence", "chosen", "reason"}


@dataclass(frozen=True, slots=True)
class SeriesLine:
    """One series, as the page prints it."""

    description: str
    phase: str
    probability: str
    evidence: tuple[str, ...]
    kind: str
    detail: str
    is_chosen: bool
    is_unsure: bool
    is_mask: bool
    pictures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PatientBlock:
    """One patient: the chosen series in the order of the phases, and the others in the order of the table.

    ``masks`` holds the mask that was taken with a chosen series, by phase.
    """

    patient_id: str
    chosen: tuple[SeriesLine, ...]
    masks: Mapping[str, SeriesLine]
    others: tuple[SeriesLine, ...]
    missing: tuple[str, ...]
    is_first: bool


def write_series_page(series_csv_path: Path, thumbs_dir: Path, page_path: Path, language: Language = "en") -> Path:
    """Write the page on which a person looks over what a scan has chosen.

    Patients whose choice is uncertain, or of whose CT no series could be chosen, stand first. The page holds its
    pictures and fetches nothing; evidence and details stand in English, as the table holds them.

    Args:
        series_csv_path: ``series.csv``, as a scan writes it.
        thumbs_dir: Pictures named ``<patient_id>-<phase>-axial.png`` and ``-coronal.png``; may be missing.
        page_path: Where to.
        language: "zh" for Simplified Chinese.

    Returns:
        ``page_path``.

    Raises:
        RunError: Where the table is missing, or lacks a column.

    Source:
        Our choice.
    """
    rows = read_rows(series_csv_path)
    missing = sorted(_NEEDED - set(rows[0])) if rows else []
    if missing:
        raise RunError(f"{series_csv_path} lacks the columns {', '.join(missing)}. Scan the folder again.")
    with speaking(language):
        html = _render(rows, thumbs_dir)
    return write_page(html, page_path)


def _render(rows: Sequence[dict[str, str]], thumbs_dir: Path) -> str:
    ordered = sorted(rows, key=lambda row: row["patient_id"])
    blocks = [_block(patient, list(members), thumbs_dir) for patient, members in groupby(ordered, key=_patient)]
    blocks.sort(key=lambda block: (not block.is_first, block.patient_id))
    is_synthetic = any("SYNTHETIC" in row["description"] for row in rows)
    counts = Counter(line.phase for block in blocks for line in block.chosen)
    reasons = Counter(line.kind for block in blocks for line in block.others)
    return render(
        "series.html.j2",
        is_synthetic=is_synthetic,
        blocks=blocks,
        first=[block for block in blocks if block.is_first],
        n_series=len(rows),
        counts=[(phase_in_words(phase), phase, counts[phase]) for phase in PHASE_ORDER],
        reasons=reasons.most_common(),
    )


def _patient(row: dict[str, str]) -> str:
    return row["patient_id"]


def _block(patient_id: str, rows: Sequence[dict[str, str]], thumbs_dir: Path) -> PatientBlock:
    lines = [_line(row, thumbs_dir) for row in rows]
    chosen = sorted(
        (line for line in lines if line.is_chosen and not line.is_mask),
        key=lambda line: PHASE_ORDER.index(line.phase) if line.phase in PHASE_ORDER else len(PHASE_ORDER),
    )
    missing = tuple(phase for phase in PHASE_ORDER[:3] if phase not in {line.phase for line in chosen})
    # Else there was nothing to choose from.
    has_ct = any(not row["reason"].startswith(("not CT", "mask of")) for row in rows)
    is_first = has_ct and (not chosen or any(line.is_unsure for line in chosen))
    others = tuple(line for line in lines if not line.is_chosen)
    masks = {line.phase: line for line in lines if line.is_chosen and line.is_mask}
    return PatientBlock(patient_id, tuple(chosen), masks, others, missing, is_first)


def _line(row: dict[str, str], thumbs_dir: Path) -> SeriesLine:
    kind, _, detail = row["reason"].partition(": ")
    is_chosen = row["chosen"] == "yes"
    phase = row["phase"]
    stem = f"{row['patient_id']}-{phase}"
    paths = [thumbs_dir / f"{stem}-{view}.png" for view in ("axial", "coronal")] if is_chosen else []
    return SeriesLine(
        description=row["description"],
        phase=phase,
        probability=_percent(row["probability"]),
        evidence=tuple(part for part in row["evidence"].split("; ") if part),
        kind=_kinds().get(kind, _best_of(kind)),
        detail=detail,
        is_chosen=is_chosen,
        is_mask=kind == MASK,
        is_unsure=is_chosen and _number(row["probability"]) < UNSURE,
        pictures=tuple(picture_uri(path.read_bytes()) for path in paths if path.parent == thumbs_dir and path.exists()),
    )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _percent(text: str) -> str:
    """Print a probability without ever rounding it to certainty.

    >>> _percent("0.975"), _percent("0.9996"), _percent("")
    ('97%', '>99%', '0%')
    """
    percent = 100 * _number(text)
    return ">99%" if percent > 99 else f"{int(percent)}%"


def _best_of(kind: str) -> str:
    """A chosen one of several; a kind that this page does not know stays as it is."""
    number = kind.removeprefix("best of ")
    return t("best of {n}", n=number) if number != kind else kind


def _kinds() -> dict[str, str]:
    """How each kind of reason reads; ``series.csv`` holds the English."""
    return {
        "not CT": t("not CT"),
        "dose sheet": t("dose sheet"),
        "secondary capture": t("secondary capture"),
        "localiser": t("localiser"),
        "bolus tracking": t("bolus tracking"),
        "projection": t("projection"),
        "reformat": t("reformat"),
        "derived image": t("derived image"),
        "intervention": t("intervention"),
        "not axial": t("not axial"),
        "too few slices": t("too few slices"),
        "too short": t("too short"),
        "slices too thick": t("slices too thick"),
        "burnt-in text": t("burnt-in text"),
        "sharp kernel": t("sharp kernel"),
        "other body part": t("other body part"),
        "kidneys not in view": t("kidneys not in view"),
        "cannot be read": t("cannot be read"),
        "phase unknown": t("phase unknown"),
        "another visit": t("another visit"),
        "after surgery": t("after surgery"),
        "a better series": t("a better series"),
        "only series of its phase": t("only series of its phase"),
        "mask of a chosen series": t("mask of a chosen series"),
        "another mask was taken": t("another mask was taken"),
        "mask of a series not chosen": t("mask of a series not chosen"),
        "mask of another organ": t("mask of another organ"),
        "mask of an unknown series": t("mask of an unknown series"),
        "chosen by a person": t("chosen by a person"),
        "left out by a person": t("left out by a person"),
        "another was chosen by a person": t("another was chosen by a person"),
    }
