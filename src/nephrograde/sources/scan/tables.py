"""The tables that a scan writes: the cohort, all series, and what was skipped."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nephrograde.cohort.scanned import SCANNED
from nephrograde.files import write_rows
from nephrograde.replacement import replaced
from nephrograde.sources.scan.masks import is_mask
from nephrograde.spreadsheet.cells import RowWriter
from nephrograde.staging import Index, staged
from nephrograde.volume.phase.evidence import PHASES
from nephrograde.volume.series_table import FORMAT, SeriesEntry, write_series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from nephrograde.sources.scan.choose import Choice
    from nephrograde.sources.scan.paths import ScanPaths
    from nephrograde.volume.statement import Statement


_QUOTED = frozenset({"words", "modality"})
"""Parameters of statements that are quoted from the headers."""
_REMOVED = "…"
CORRECTIONS = "corrections"
"""The key of the index under which it names the table of corrections that the scan was told to read."""


def cohort_row(
    patient_id: str, choices: Sequence[Choice], *, images: Mapping[str, str], carried: Mapping[str, str]
) -> dict[str, str] | None:
    """Build the row of a patient in the cohort table; None if no series was chosen.

    Args:
        patient_id: The pseudonym.
        choices: All series of the patient.
        images: Table cells of the chosen series and masks, by key.
        carried: Cells of a joined table; a mask named there takes precedence over one that was found.
    """
    chosen = [choice for choice in choices if choice.chosen]
    found = {choice.answer.phase: images[choice.header.key] for choice in chosen if not is_mask(choice.header)}
    masks = {f"{choice.answer.phase}_mask": images[choice.header.key] for choice in chosen if is_mask(choice.header)}
    if not found:
        return None
    row = {"patient_id": patient_id, "isup_grade": "", **carried}
    row |= {f"{phase}_image": found.get(phase, "") for phase in PHASES}
    return row | {column: row.get(column) or cell for column, cell in masks.items()}


def series_entry(patient_id: str, choice: Choice, clean: Callable[[str], str] | None = None) -> SeriesEntry:
    """Build the entry of a series in the table of all series; a part of a series is named in the description.

    Args:
        patient_id: The pseudonym.
        choice: The series. Its phase was determined from the texts as they are in the headers.
        clean: Removes the patients from the texts that are written; None if they identify nobody, as those of a public
            collection.

    >>> from nephrograde.sources.identity.identity import Identity
    >>> from nephrograde.sources.scan.choose import Choice
    >>> from nephrograde.volume.dicom.header import SeriesHeader
    >>> from nephrograde.volume.phase.evidence import PhaseAnswer
    >>> from nephrograde.volume.statement import Statement
    >>> header = SeriesHeader(series_uid="1.2", description="KOWALSKA faza tetnicza 44051401458")
    >>> choice = Choice(header, PhaseAnswer("cmp", 0.95, ()), chosen=True, reason=Statement.of("only-series"))
    >>> series_entry("P0001", choice, Identity(names=("Kowalska^Anna",)).removed_from).description
    'faza tetnicza'
    """
    header, answer = choice.header, choice.answer
    description, evidence = header.description, tuple(one.seen for one in answer.evidence)
    reason = choice.reason
    if clean is not None:
        description, reason = clean(description), _cleaned(reason, clean)
        evidence = tuple(_cleaned(seen, clean) for seen in evidence)
    part = f" [part {header.part}]" if header.part else ""
    return SeriesEntry(
        patient_id=patient_id,
        study_uid=header.study_uid,
        series_uid=header.series_uid,
        description=f"{description}{part}".strip(),
        phase=answer.phase,
        probability=answer.probability,
        evidence=evidence,
        is_chosen=choice.chosen,
        reason=reason,
        grounds=choice.grounds,
        part=header.part,
        slices=header.n_images or None,
        step_mm=header.step_mm,
        thickness_mm=header.thickness_mm,
    )


def _cleaned(seen: Statement, clean: Callable[[str], str]) -> Statement:
    """Remove the patients from what a statement quotes from the headers."""
    parameters = ((name, (clean(value) or _REMOVED) if name in _QUOTED else value) for name, value in seen.parameters)
    return replace(seen, parameters=tuple(parameters))


def write_tables(
    paths: ScanPaths,
    cohort_rows: Iterable[Mapping[str, str]],
    entries: Iterable[SeriesEntry],
    *,
    carried: Sequence[str] = ("isup_grade",),
    corrections_path: Path | None = None,
) -> None:
    """Write the cohort table and the table of all series together, and record what was written.

    Args:
        paths: Where to write.
        cohort_rows: From :func:`cohort_row`.
        entries: From :func:`series_entry`.
        carried: The columns between ``patient_id`` and the images. Mask columns follow, for phases that have masks.
        corrections_path: The table of corrections that the scan was told to read, if it is not the one beside the
            tables.

    >>> import tempfile
    >>> from nephrograde.sources.scan.paths import ScanPaths, claim_table
    >>> paths = ScanPaths(Path(tempfile.mkdtemp()) / "cohort.csv")
    >>> write_tables(paths, [{"patient_id": "P0001", "np_image": "cohort.series/P0001-np.series"}], [])
    >>> print(paths.table_path.read_text(encoding="utf-8").splitlines()[0])
    patient_id,isup_grade,up_image,cmp_image,np_image,ep_image
    >>> claim_table(paths)
    """
    rows = list(cohort_rows)
    masks = [column for column in (f"{phase}_mask" for phase in PHASES) if any(column in row for row in rows)]
    columns = ("patient_id", *carried, *(f"{phase}_image" for phase in PHASES), *masks)
    tables = (paths.table_path, paths.series_path)
    content: dict[str, object] = {"format": FORMAT}
    if corrections_path is not None:
        content[CORRECTIONS] = _from_folder(corrections_path, paths.table_path.parent)
    with staged(Index(paths.beside(SCANNED[1:]), paths.table_path.parent, content, files=tables)):
        write_series(paths.series_path, entries)
        write_rows(paths.table_path, tuple(dict.fromkeys(columns)), rows)


def _from_folder(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # on another drive
        return path.absolute().as_posix()


def write_skipped(skipped_path: Path, skipped: Iterable[tuple[str, str]]) -> Path | None:
    """Write the table of everything that was skipped: ``reason, path``, readable by its owner only.

    Args:
        skipped_path: Where to write. An existing table is removed if nothing was skipped.
        skipped: Reasons and paths, read one at a time. Undecodable bytes of a name are written as escapes.

    Returns:
        ``skipped_path``, or None if nothing was skipped. File names may identify a patient, so the table must not be
        shared.
    """
    n_skipped = 0
    with (
        replaced(skipped_path, is_private=True) as temporary_path,
        temporary_path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream,
    ):
        writer = RowWriter(stream)
        writer.write_row(("reason", "path"))
        for row in skipped:
            writer.write_row(row)
            n_skipped += 1
    if n_skipped:
        return skipped_path
    skipped_path.unlink()
    return None
