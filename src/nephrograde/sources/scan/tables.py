"""What a scan writes: the cohort table, the table of all series, and the lists of the chosen files."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nephrograde.cohort.scanned import SCANNED, series_path_of
from nephrograde.errors import InputError, Problem, RunError, VolumeError, about_writing
from nephrograde.files import fingerprint, read_json, sha256_of, write_rows
from nephrograde.lock import only_writer_of
from nephrograde.replacement import discard, make_folder, remove_leftovers, replaced, temporary_beside
from nephrograde.run.quality_folder import page_path_of
from nephrograde.sources.scan.masks import is_mask
from nephrograde.spreadsheet.cells import RowWriter
from nephrograde.staging import REPLACES, Index, staged
from nephrograde.volume.dicom.series_list import DAMAGED_HEADING, SERIES_LIST_HEADING
from nephrograde.volume.phase.evidence import PHASES
from nephrograde.volume.series_table import FORMAT, SeriesEntry, write_series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from nephrograde.sources.scan.choose import Choice
    from nephrograde.volume.statement import Statement


_QUOTED = frozenset({"words", "modality"})
"""Parameters of statements that are quoted from the headers."""
_REMOVED = "…"
CORRECTIONS = "corrections"
"""The key of the index under which it names the table of corrections that the scan was told to read."""


@dataclass(frozen=True, slots=True)
class ScanPaths:
    """Where a scan writes: everything is placed next to its table and named after it."""

    table_path: Path

    def beside(self, ending: str) -> Path:
        """Return the path of a file or folder next to the table.

        >>> ScanPaths(Path("out/cohort.csv")).beside("series").as_posix()
        'out/cohort.series'
        """
        return self.table_path.with_name(f"{self.table_path.stem}.{ending}")

    @property
    def series_path(self) -> Path:
        """The table of all series: ``series.csv`` next to ``cohort.csv``, otherwise prefixed with the table's name."""
        return series_path_of(self.table_path)

    @property
    def corrections_path(self) -> Path:
        """The corrections of a person, which a scan reads if it is not told of others; a scan never writes them."""
        return self.beside("corrections.csv")

    @property
    def files(self) -> tuple[Path, ...]:
        """All files next to the table that a scan writes, except its caches and pages."""
        return (
            self.table_path,
            self.series_path,
            *(self.beside(ending) for ending in (SCANNED[1:], "key.csv", "skipped.csv")),
            *(page_path_of(self.series_path, language) for language in ("en", "zh")),
        )

    @property
    def dirs(self) -> tuple[Path, ...]:
        """The folders next to the table that a scan fills: lists, pictures, and what the images showed."""
        return (self.beside("series"), self.beside("thumbs"), self.beside("looks"))


@contextmanager
def only_scan(paths: ScanPaths) -> Iterator[None]:
    """Be the only process that writes these tables and the key beside them, for the duration of the block.

    Temporary files of a killed process are removed first.

    Args:
        paths: Where the scan writes.

    Raises:
        RunError: Another process is writing them.
        WriteError: They cannot be written.
    """
    with only_writer_of(paths.beside("key.csv"), is_private=True):
        names = {path.name for path in paths.files}
        remove_leftovers(paths.table_path.parent, is_ours=names.__contains__)
        for folder in paths.dirs:
            remove_leftovers(folder)
        yield


def require_apart(folder: Path, paths: ScanPaths) -> None:
    """Check that a scan writes a CSV table, and neither it nor the key beside it into the scanned folder.

    Args:
        folder: The export that is scanned.
        paths: Where the scan writes.

    Raises:
        InputError: If the name of the table does not end in ``.csv``, or the table is inside the export.
    """
    problems = []
    place = str(paths.table_path)
    if paths.table_path.suffix.lower() != ".csv":
        what = "the name of the table does not end in .csv"
        problems.append(Problem(place, what, "Name a CSV file; a scan writes no other format."))
    if folder.resolve() in paths.table_path.resolve().parents:
        what = "is inside the input folder, and the key of the real identities would be written next to it"
        problems.append(Problem(place, what, "Name a table in a separate folder."))
    if problems:
        raise InputError(problems)


def claim_table(paths: ScanPaths) -> None:
    """Check that the tables may be written: they do not exist, or a scan wrote them and nobody edited them.

    Unedited tables of an older format may be overwritten.

    Args:
        paths: Where the scan writes.

    Raises:
        RunError: If a table has another origin, was edited since, or has a newer format.
    """
    state_path = paths.beside(SCANNED[1:])
    written = read_json(state_path) if state_path.exists() else {}
    if isinstance(number := written.get("format", 1), int) and number > FORMAT:
        raise RunError(
            f"{state_path} is of format {number}, written by a newer nephrograde; this version writes {FORMAT}. Run: "
            "pip install --upgrade nephrograde, or give another name for the new table."
        )
    for path in (paths.table_path, paths.series_path):
        if path.exists() and sha256_of(path) not in _known(written, path.name):
            raise RunError(
                f"{path} was edited since it was scanned, or comes from elsewhere; it would be overwritten. Move it "
                "away, or give another name for the new table."
            )


def _known(written: Mapping[str, object], name: str) -> list[object]:
    """What a scan wrote under a name; two versions if it was interrupted while it replaced one by the other."""
    earlier = written.get(REPLACES)
    return [written.get(name), earlier.get(name) if isinstance(earlier, dict) else None]


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


def write_list(list_path: Path, files: Iterable[str]) -> None:
    """Write a series list, which selects the files of one series among others; readable by its owner only.

    Args:
        list_path: Ends in ``.series``. Files below the folder of the table are written relative to the list, so that
            both can be moved together; other files as absolute paths.
        files: Absolute paths with ``/``; a member of an archive as ``archive.zip//member``. Those after
            ``DAMAGED_HEADING`` cannot be read, and may be slices of the series.

    Raises:
        VolumeError: With code "path-encoding" if a file name cannot be written as text.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_list(folder / "cohort.series" / "P0001-np.series", [f"{folder.as_posix()}/IM/1", "/else/a.zip//IM 2"])
    >>> print((folder / "cohort.series" / "P0001-np.series").read_text(encoding="utf-8"), end="")
    # nephrograde series 1
    ../IM/1
    /else/a.zip//IM 2
    """
    home_dir = list_path.absolute().parent.parent
    text = "\n".join([SERIES_LIST_HEADING, *(_as_listed(line, list_path.parent, home_dir) for line in files), ""])
    try:
        content = text.encode("utf-8")
    except UnicodeEncodeError:
        raise VolumeError(
            "path-encoding",
            "the name of one of the files of this series is not text in any known encoding.",
            "Rename the folders and files of the export, and scan again.",
            path=list_path,
        ) from None
    if list_path.exists() and list_path.read_bytes() == content:
        with about_writing(list_path):
            list_path.chmod(0o600)
        return
    with replaced(list_path, is_private=True) as temporary_path:
        temporary_path.write_bytes(content)


def _as_listed(line: str, list_dir: Path, home_dir: Path) -> str:
    if line == DAMAGED_HEADING:
        return line
    start = 2 if line.startswith("//") else 0  # a Windows share begins with two slashes
    file, *members = line[start:].split("//")
    path = Path(line[:start] + file)
    if path.is_relative_to(home_dir):
        path = Path(os.path.relpath(path, list_dir.absolute()))
    return "//".join([path.as_posix(), *members])


_LINKABLE = re.compile(r"\.(?:nii\.gz|nii|mha|nrrd|dcm|tiff?|png)$", re.IGNORECASE)
_IN_TWO_FILES = (".mhd", ".nhdr", ".hdr", ".img")


def link_mask(paths: ScanPaths, stem: str, cell: str) -> str | None:
    """Link a mask whose path identifies a patient under a name that does not, in the folder of the series lists.

    That folder may be opened by its owner only, as the link names its target.

    Args:
        paths: Where the scan writes.
        stem: The name of the link without the ending of the file, such as "P0001-cmp-mask".
        cell: The mask in the joined table: an absolute path, or one relative to the cohort table. It need not exist.

    Returns:
        The cell for the cohort table; None if the mask cannot be linked, because it consists of two files, or because
        the file system has no links.

    >>> import tempfile
    >>> paths = ScanPaths(Path(tempfile.mkdtemp()) / "cohort.csv")
    >>> link_mask(paths, "P0001-cmp-mask", "masks/Kowalska.nii.gz")
    'cohort.series/P0001-cmp-mask.nii.gz'
    >>> (paths.table_path.parent / "cohort.series/P0001-cmp-mask.nii.gz").readlink().as_posix()
    '../masks/Kowalska.nii.gz'
    """
    mask = Path(cell.strip("\"' ").replace("\\", "/"))
    if mask.name.lower().endswith(_IN_TWO_FILES):
        return None
    ending = _LINKABLE.search(mask.name)
    link_path = paths.beside("series") / f"{stem}{ending[0].lower() if ending else ''}"
    make_folder(link_path.parent, is_private=True)
    temporary_path = temporary_beside(link_path)
    try:
        link_path.parent.chmod(0o700)
        temporary_path.symlink_to(mask if mask.is_absolute() else ".." / mask)
        temporary_path.replace(link_path)
    except OSError:
        discard(temporary_path)
        return None
    return f"{link_path.parent.name}/{link_path.name}"


def list_key(files: Sequence[str]) -> str:
    """Return a key for the contents of a series list (its files with sizes and times) that names no patient.

    Args:
        files: As for :func:`write_list`.

    >>> list_key(["/nowhere/1"]) == list_key(["/nowhere/1"]) != list_key(["/nowhere/2"])
    True
    """
    outer_of = {line: line[:2] + line[2:].partition("//")[0] for line in files}
    stamps: dict[str, tuple[int, int]] = {}
    for outer in dict.fromkeys(outer_of.values()):
        try:
            status = Path(outer).stat()
            stamps[outer] = (status.st_size, status.st_mtime_ns)
        except OSError:
            stamps[outer] = (-1, -1)
    return fingerprint([[os.fsencode(line).hex(), stamps[outer_of[line]]] for line in files])
