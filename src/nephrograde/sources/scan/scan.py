"""From a hospital's folder to a cohort table: read headers, determine phases, choose series, write tables."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from nephrograde.errors import InputError, Problem, VolumeError
from nephrograde.replacement import remove_ours, replaced
from nephrograde.sources.scan.catalogue import Catalogue, catalogue
from nephrograde.sources.scan.choose import Choice, choose_series
from nephrograde.sources.scan.corrections import NO_CORRECTIONS, Corrections, read_corrections
from nephrograde.sources.scan.grades import NO_GRADES, Grades, read_grades
from nephrograde.sources.scan.kinds import set_aside
from nephrograde.sources.scan.lists import write_list
from nephrograde.sources.scan.look import LookFunction, SeriesLook, look_at_series
from nephrograde.sources.scan.masks import choose_masks, is_mask
from nephrograde.sources.scan.paths import ScanPaths, claim_table, only_scan, require_apart
from nephrograde.sources.scan.pseudonyms import Person, Pseudonyms, gather_identities, name_persons
from nephrograde.sources.scan.store import about_catalogue
from nephrograde.sources.scan.tables import write_skipped, write_tables
from nephrograde.sources.scan.tally import ScanResult, Tally
from nephrograde.staging import staged
from nephrograde.threads import usable_processors
from nephrograde.volume.phase.evidence import PHASES, UNKNOWN, PhaseAnswer
from nephrograde.volume.phase.recognise import recognise_phases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from nephrograde.volume.dicom.header import SeriesHeader
    from nephrograde.volume.series_table import SeriesEntry

When: TypeAlias = Literal["uncertain", "all", "never"]

_LIST = re.compile(rf".+-({'|'.join(PHASES)})((-mask)?\.series|-mask(\.\w+){{0,2}})")
_PICTURE = re.compile(rf".+-({'|'.join(PHASES)})-(axial|coronal)\.png")
CERTAIN = 0.9
"""Below this probability the phase from the headers is uncertain, and the image is inspected."""
_MOST_READERS = 4


@dataclass(frozen=True, slots=True)
class ScanSettings:
    """How a folder is scanned.

    Attributes:
        look: Which series are read to inspect their kidneys: "uncertain" reads those whose headers leave the phase
            uncertain and those that are chosen, "all" every candidate, "never" none; then there are no pictures either.
        keep_ids: Keep every PatientID that can be part of a file name. Otherwise only ids from data marked as
            de-identified are kept.
        workers: Processes that read headers; None uses one per processor.
        grades_path: A table to join: ``patient_id`` as in the scans, ``isup_grade``, ``surgery_date`` and others.
        corrections_path: A table of series whose phase a person has reviewed; see ``corrections.py``. None reads
            ``cohort.corrections.csv`` beside ``cohort.csv``, if it exists.
        encoding: The encoding of these two tables, if they are text files; None detects it.
        columns: Headings of the joined table by standard name, where they are not the usual ones.
        organs_dir: Label maps of TotalSegmentator, ``<SeriesInstanceUID>.nii.gz`` or a folder of that name.
    """

    look: When = "uncertain"
    keep_ids: bool = False
    workers: int | None = None
    grades_path: Path | None = None
    organs_dir: Path | None = None
    corrections_path: Path | None = None
    encoding: str | None = None
    columns: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class _Scan:
    """What every step of one scan needs."""

    found: Catalogue
    paths: ScanPaths
    settings: ScanSettings
    grades: Grades
    corrections: Corrections
    look: LookFunction | None


def scan_folder(
    folder: Path,
    table_path: Path,
    *,
    settings: ScanSettings | None = None,
    progress: Callable[[str, int, int], None] = lambda *_: None,
    look: LookFunction | None = None,
) -> ScanResult:
    """Scan a folder and write a cohort table, with everything needed to review the choices.

    Next to ``cohort.csv`` it writes ``series.csv``, ``cohort.series/`` (the files of each chosen scan and of its mask),
    ``cohort.thumbs/``, ``cohort.key.csv`` (the real identities) and ``cohort.skipped.csv`` (every file that was
    skipped), both to be kept separately, ``cohort.catalogue.sqlite`` and ``cohort.looks/`` (caches, so that a second
    scan reads only what is new). No image is copied.

    Args:
        folder: Any tree that contains DICOM files.
        table_path: The cohort table to write: a CSV file outside the folder.
        settings: How to scan; None uses the defaults.
        progress: Called with the name of the step, the amount done and the total (0 if unknown).
        look: Inspects one series, for example with another phase classifier; None measures the enhancement of the
            kidneys.

    Returns:
        What was found and written.

    Raises:
        InputError: If the folder contains no DICOM file, the table is inside it or not named ``.csv``, or a joined
            table or the key is invalid.
        RunError: If the table exists and was not written by a scan, or was edited since.
    """
    settings = settings or ScanSettings()
    paths = ScanPaths(table_path)
    require_apart(folder, paths)
    with only_scan(paths):
        return _scan_folder(folder, paths, settings, progress=progress, look=look)


def _scan_folder(
    folder: Path,
    paths: ScanPaths,
    settings: ScanSettings,
    *,
    progress: Callable[[str, int, int], None],
    look: LookFunction | None,
) -> ScanResult:
    claim_table(paths)
    grades, corrections = _read_joined(settings, paths)
    names = Pseudonyms(paths.beside("key.csv"))
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("Reading headers", done, 0)

    catalogue_path = paths.beside("catalogue.sqlite")
    opened = catalogue(folder, catalogue_path, workers=settings.workers, advance=advance)
    with about_catalogue(catalogue_path), opened as found:
        skipped_path = write_skipped(paths.beside("skipped.csv"), found.skipped_files())
        identities = gather_identities(name_persons(found.studies(), names, keep_ids=settings.keep_ids))
        n_patients = len(identities)
        if not n_patients:
            raise _nothing_found(folder, found, skipped_path)
        names.write()
        scan = _Scan(found, paths, settings, grades, corrections, look)
        tally = Tally(grades, identities.people, paths)
        pictures: set[str] = set()
        persons = name_persons(found.studies(), names, keep_ids=settings.keep_ids)
        with staged():  # the lists and pictures belong to the tables
            for number, person in enumerate(persons, start=1):
                choices, images, looks = _scan_person(person, scan)
                pictures |= _write_pictures(person, choices, looks, paths.beside("thumbs"))
                tally.add(person, choices, images, identities.identity(person.patient_id))
                progress("Choosing series", number, n_patients)
            write_tables(
                paths,
                tally.cohort_rows,
                tally.entries,
                carried=grades.columns,
                corrections_path=settings.corrections_path,
            )
        # What an earlier scan chose and this one does not.
        remove_ours(paths.beside("series"), _LIST.fullmatch, keep={Path(cell).name for cell in tally.cells})
        remove_ours(paths.beside("thumbs"), _PICTURE.fullmatch, keep=pictures)
        result = tally.result(paths, n_files=found.n_files, skipped=found.skipped(), skipped_path=skipped_path)
    return replace(result, notes=(*result.notes, *_notes_on(corrections, tally.entries, paths, settings)))


def _notes_on(
    corrections: Corrections, entries: Iterable[SeriesEntry], paths: ScanPaths, settings: ScanSettings
) -> list[str]:
    """Say which corrections were read without being asked for, or not read, and which are about no series."""
    notes = []
    own_path = paths.corrections_path
    if settings.corrections_path is None and corrections.phases:
        notes.append(f"{len(corrections.phases)} corrections were read from {own_path.name} beside the table.")
    elif (
        settings.corrections_path is not None
        and own_path.exists()
        and not _is_same(settings.corrections_path, own_path)
    ):
        notes.append(f"{own_path.name} beside the table was not read, because --corrections names another table.")
    known = {name for entry in entries for name in (entry.series_uid, f"{entry.series_uid}.{entry.part}")}
    if absent := sorted(set(corrections.phases) - known):
        notes.append(f"{len(absent)} series of the corrections are not in the folder: {', '.join(absent[:5])}.")
    return notes


def _is_same(path: Path, other: Path) -> bool:
    return path.resolve() == other.resolve()


def _read_joined(settings: ScanSettings, paths: ScanPaths) -> tuple[Grades, Corrections]:
    grades, corrections = NO_GRADES, NO_CORRECTIONS
    if settings.grades_path:
        grades = read_grades(settings.grades_path, encoding=settings.encoding, columns=settings.columns)
    if settings.corrections_path:
        corrections = read_corrections(settings.corrections_path, settings.encoding)
    elif paths.corrections_path.exists():
        corrections = read_corrections(paths.corrections_path, settings.encoding)
    return grades, corrections


def _nothing_found(folder: Path, found: Catalogue, skipped_path: Path | None) -> InputError:
    counts = "; ".join(f"{skipped.count} × {skipped.reason}" for skipped in found.skipped()[:5])
    what = f"contains no DICOM file ({found.n_files} files examined{f'; {counts}' if counts else ''})"
    remedy = "Give the folder of the export, and check that it can be read."
    named = "" if skipped_path is None else f" {skipped_path} lists what was skipped."
    return InputError([Problem(str(folder), what, f"{remedy}{named}")])


def _scan_person(person: Person, scan: _Scan) -> tuple[list[Choice], dict[str, str], dict[str, SeriesLook]]:
    """Determine phases and choose; inspect the images that matter, repeating until no look changes the choice."""
    known = scan.grades.find(person.original_id)
    day = scan.grades.surgery.get(known) if known else None
    patient = person.headers[0].patient_id
    looks: dict[str, SeriesLook] = {}
    unreadable: dict[str, str] = {}
    while True:
        answers = scan.corrections.of_answers(_recognise(person.headers, looks), person.headers)
        choices = choose_series(
            [(header, answers[header.key]) for header in person.headers],
            surgery={patient: day} if day else {},
            kidneys={key: look.kidneys_mm for key, look in looks.items() if look.kidneys_mm},
            unreadable=unreadable,
        )
        choices = scan.corrections.of_choices(choices, unreadable)
        wanted = [choice.header for choice in choices if choice.header.key not in looks and _is_wanted(choice, scan)]
        if wanted:
            looks |= _look_at(wanted, scan)
            unreadable |= {key: look.fault for key, look in looks.items() if look.fault}
            continue
        choices = choose_masks(choices, unreadable=unreadable)
        images, faults = _write_lists(person, choices, scan)
        if not faults:
            return choices, images, looks
        unreadable |= faults


def _recognise(headers: Sequence[SeriesHeader], looks: Mapping[str, SeriesLook]) -> dict[str, PhaseAnswer]:
    seen = {key: look.evidence for key, look in looks.items() if look.evidence is not None}
    answers: dict[str, PhaseAnswer] = {}
    for _, study in groupby(sorted(headers, key=lambda header: header.study_uid), key=lambda header: header.study_uid):
        answers |= recognise_phases(list(study), seen)
    return answers


def _is_wanted(choice: Choice, scan: _Scan) -> bool:
    """Whether the image is worth reading."""
    if scan.settings.look == "never" or choice.reason.code == "after-surgery":
        return False
    if choice.chosen:
        return True
    if set_aside(choice.header):
        return False
    is_uncertain = choice.answer.phase == UNKNOWN or choice.answer.probability < CERTAIN
    return scan.settings.look == "all" or is_uncertain


def _look_at(headers: Sequence[SeriesHeader], scan: _Scan) -> dict[str, SeriesLook]:
    readers = min(scan.settings.workers or usable_processors(), _MOST_READERS)
    organs: dict[str, Path] = {}
    if scan.settings.organs_dir is not None:
        for header in headers:
            places = [scan.settings.organs_dir / f"{header.series_uid}{ending}" for ending in (".nii.gz", ".nii", "")]
            if found := [place for place in places if place.exists()]:
                organs[header.key] = found[0]
    files = {header.key: scan.found.files(header) for header in headers}
    looks_dir = scan.paths.beside("looks")
    return look_at_series(files, looks_dir, workers=readers, organs=organs, look=scan.look)


def _write_lists(person: Person, choices: Sequence[Choice], scan: _Scan) -> tuple[dict[str, str], dict[str, str]]:
    """Write the list of each chosen series and of its mask; return the cells, and the faults, by key."""
    images: dict[str, str] = {}
    faults: dict[str, str] = {}
    for choice in choices:
        if choice.chosen:
            stem = f"{person.patient_id}-{choice.answer.phase}{'-mask' if is_mask(choice.header) else ''}"
            list_path = scan.paths.beside("series") / f"{stem}.series"
            try:
                write_list(list_path, scan.found.files(choice.header))
            except VolumeError as error:
                faults[choice.header.key] = error.code
            images[choice.header.key] = f"{list_path.parent.name}/{list_path.name}"
    return images, faults


def _write_pictures(
    person: Person, choices: Sequence[Choice], looks: Mapping[str, SeriesLook], thumbs_dir: Path
) -> set[str]:
    """Write the pictures of the chosen series; return their file names."""
    written: set[str] = set()
    for choice in choices:
        if choice.chosen and choice.header.key in looks:
            for view, png in looks[choice.header.key].pictures.items():
                picture_path = thumbs_dir / f"{person.patient_id}-{choice.answer.phase}-{view}.png"
                if not (picture_path.exists() and picture_path.read_bytes() == png):
                    with replaced(picture_path) as temporary_path:
                        temporary_path.write_bytes(png)
                written.add(picture_path.name)
    return written
