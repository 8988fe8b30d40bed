"""The page for reviewing a choice of series: for each patient, the chosen scans with pictures and all other series."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.report.pages.page import picture_uri, write_rendered
from nephrograde.report.pages.paging import LISTED, divide, remove_further
from nephrograde.report.text.language import phase_in_words, speaking
from nephrograde.report.text.series_words import details_in_words, kind_in_words, sight_in_words
from nephrograde.staging import staged
from nephrograde.volume.phase.evidence import PHASES
from nephrograde.volume.series_table import read_series
from nephrograde.volume.statement import CONFLICT, MASK_CODES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from nephrograde.report.text.language import Language
    from nephrograde.volume.series_table import SeriesEntry

UNSURE = 0.9
"""Chosen series with a less probable phase are to be reviewed first."""


@dataclass(frozen=True, slots=True)
class SeriesLine:
    """One series, as shown on the page."""

    description: str
    phase: str
    probability: str
    evidence: tuple[str, ...]
    kind: str
    detail: str
    is_chosen: bool
    is_unsure: bool
    is_contradicted: bool
    is_mask: bool
    picture_paths: tuple[Path, ...]

    @property
    def pictures(self) -> Iterator[str]:
        """The pictures, each read where the page needs it."""
        return (picture_uri(path.read_bytes()) for path in self.picture_paths)


@dataclass(frozen=True, slots=True)
class PatientBlock:
    """One patient: the chosen series in the order of the phases, and the others in the order of the table.

    ``masks`` holds the masks of the chosen series, by phase.
    """

    patient_id: str
    chosen: tuple[SeriesLine, ...]
    masks: Mapping[str, SeriesLine]
    others: tuple[SeriesLine, ...]
    missing: tuple[str, ...]


def write_series_page(series_csv_path: Path, thumbs_dir: Path, page_path: Path, language: Language = "en") -> Path:
    """Write the page for reviewing the series that a scan has chosen, or several for many patients.

    Patients with a series whose words and image contradict each other come first, then those whose choice is uncertain
    or who have no chosen CT series. Further pages of 500 patients each are called ``series-2.html`` and so on. A page
    contains its pictures and loads nothing from elsewhere.

    Args:
        series_csv_path: ``series.csv``, as written by a scan.
        thumbs_dir: Pictures named ``<patient_id>-<phase>-axial.png`` and ``-coronal.png``; may be missing.
        page_path: The file.
        language: "zh" for Simplified Chinese.

    Returns:
        ``page_path``, the first page.

    Raises:
        RunError: The table is missing, has another format, or lacks a column.
    """
    entries = read_series(series_csv_path)
    with speaking(language):
        return _write(entries, thumbs_dir, page_path, table=series_csv_path.name)


def _write(entries: Sequence[SeriesEntry], thumbs_dir: Path, page_path: Path, *, table: str) -> Path:
    of_patient: dict[str, list[SeriesEntry]] = {}
    for entry in entries:
        of_patient.setdefault(entry.patient_id, []).append(entry)
    contradicted = {patient for patient, own in of_patient.items() if any(map(is_contradicted, own))}
    first = {patient for patient, own in of_patient.items() if needs_review(own)}
    order = sorted(of_patient, key=lambda patient: (patient not in contradicted, patient not in first, patient))
    is_synthetic = any("SYNTHETIC" in entry.description for entry in entries)
    counts = Counter(entry.phase for entry in entries if entry.is_chosen and not _is_mask(entry))
    reasons = Counter(
        kind_in_words(entry.reason) for patient in order for entry in of_patient[patient] if not entry.is_chosen
    )
    contradicted_listed = [patient for patient in order if patient in contradicted][:LISTED]
    first_listed = [patient for patient in order if patient in first][:LISTED]
    leaves = divide(page_path, order)
    with staged():
        for leaf in leaves:
            write_rendered(
                "series.html.j2",
                leaf.path,
                is_synthetic=is_synthetic,
                blocks=[_block(patient, of_patient[patient], thumbs_dir) for patient in order[leaf.start : leaf.stop]],
                contradicted=contradicted_listed,
                first=first_listed,
                n_contradicted=len(contradicted),
                n_first=len(first),
                n_patients=len(order),
                n_series=len(entries),
                counts=[(phase_in_words(phase), phase, counts[phase]) for phase in PHASES],
                reasons=reasons.most_common(),
                table=table,
                leaf=leaf,
                leaves=leaves,
            )
    remove_further(page_path, len(leaves))
    return page_path


def _is_mask(entry: SeriesEntry) -> bool:
    return entry.reason.code == "mask-taken"


def _block(patient_id: str, entries: Sequence[SeriesEntry], thumbs_dir: Path) -> PatientBlock:
    lines = [_line(entry, thumbs_dir) for entry in entries]
    chosen = sorted(
        (line for line in lines if line.is_chosen and not line.is_mask),
        key=lambda line: PHASES.index(line.phase) if line.phase in PHASES else len(PHASES),
    )
    missing = tuple(phase for phase in PHASES[:3] if phase not in {line.phase for line in chosen})
    others = tuple(line for line in lines if not line.is_chosen)
    masks = {line.phase: line for line in lines if line.is_chosen and line.is_mask}
    return PatientBlock(patient_id, tuple(chosen), masks, others, missing)


def _line(entry: SeriesEntry, thumbs_dir: Path) -> SeriesLine:
    stem = f"{entry.patient_id}-{entry.phase}"
    paths = [thumbs_dir / f"{stem}-{view}.png" for view in ("axial", "coronal")] if entry.is_chosen else []
    return SeriesLine(
        description=entry.description,
        phase=entry.phase,
        probability=in_percent(entry.probability),
        evidence=tuple(sight_in_words(seen) for seen in entry.evidence),
        kind=kind_in_words(entry.reason),
        detail=details_in_words(entry.reason, entry.grounds),
        is_chosen=entry.is_chosen,
        is_mask=_is_mask(entry),
        is_contradicted=is_contradicted(entry),
        is_unsure=is_unsure(entry),
        picture_paths=tuple(path for path in paths if path.parent == thumbs_dir and path.exists()),
    )


def is_contradicted(entry: SeriesEntry) -> bool:
    """Whether what a series is called and what its image shows contradict each other, and no person has decided.

    Args:
        entry: A series; one that was set aside for another reason does not matter.
    """
    is_open = entry.is_chosen and entry.reason.code != "chosen-by-person"
    has_conflict = any(seen.code == CONFLICT for seen in entry.evidence)
    return has_conflict and (is_open or entry.reason.code == "phase-contradicted")


def is_unsure(entry: SeriesEntry) -> bool:
    """Whether a series was chosen although its phase is uncertain.

    Args:
        entry: A series.
    """
    return entry.is_chosen and entry.probability < UNSURE


def needs_review(entries: Sequence[SeriesEntry]) -> bool:
    """Whether a patient's choice should be reviewed first: it is uncertain or contradicted, or nothing was chosen.

    Args:
        entries: All series of the patient. If none of them is a CT series, there was nothing to choose from.
    """
    has_ct = any(entry.reason.code not in {"not-ct", *MASK_CODES} for entry in entries)
    has_chosen = any(entry.is_chosen and not _is_mask(entry) for entry in entries)
    return has_ct and (not has_chosen or any(is_contradicted(entry) or is_unsure(entry) for entry in entries))


def in_percent(probability: float) -> str:
    """Format a probability without ever rounding it to certainty.

    Args:
        probability: 0 to 1.

    >>> in_percent(0.975), in_percent(0.9996), in_percent(0.0)
    ('97%', '>99%', '0%')
    """
    percent = 100 * probability
    return ">99%" if percent > 99 else f"{int(percent)}%"
