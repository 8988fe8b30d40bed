"""A de-identified copy of a folder of DICOM files."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from nephrograde.errors import InputError, Problem
from nephrograde.files import write_rows
from nephrograde.lock import lock_path_of, only_writer_of
from nephrograde.replacement import remove_leftovers, replaced
from nephrograde.sources.deidentify.found import Content, SetAside, contents_below
from nephrograde.sources.deidentify.gather import gather
from nephrograde.sources.deidentify.header import Cleaner
from nephrograde.sources.deidentify.journal import Journal, Outcome
from nephrograde.sources.deidentify.key import Key, write_private
from nephrograde.sources.deidentify.suspects import judge
from nephrograde.sources.deidentify.uids import is_transfer_syntax
from nephrograde.sources.identity.gathered import Gathered, original_id_of
from nephrograde.sources.identity.revealing import identity_of
from nephrograde.sources.scan.tree import UNREADABLE
from nephrograde.volume.dicom.datasets import PYDICOM_ERRORS, quiet, text_of
from nephrograde.volume.dicom.dictionary import BIG_ENDIAN, EXPLICIT, IMPLICIT, MEDIA_DIRECTORY_CLASS
from nephrograde.volume.dicom.signature import is_dicom

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pydicom import Dataset

REPORT_NAME = "deidentified.csv"
_REPORT_COLUMNS = ["patient_id", "series", "files", "flagged", "set_aside", "reason"]
_BYTE_ORDERS = {
    (True, True): IMPLICIT,
    (False, True): EXPLICIT,
    (False, False): BIG_ENDIAN,
}
RULES = 4
"""Increase when copies are made differently; those of earlier runs are then written again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeidentifySettings:
    """What a de-identified copy retains.

    Attributes:
        keep_descriptions: Keep the descriptions of studies, series, segments and the like, without the patient's names,
            ids, birth date and long numbers. Phase recognition relies on them.
        keep_characteristics: Keep sex, age (below 90), size and weight.
        write_suspects: Also write images that may contain burned-in text, because a person has checked them.
    """

    keep_descriptions: bool = True
    keep_characteristics: bool = True
    write_suspects: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Deidentified:
    """The result of a run.

    Attributes:
        n_patients: Patients in the output folder.
        n_written: Files written by this run.
        n_kept: Files written by an earlier run.
        n_flagged: Images that may contain burned-in text, written or not.
        set_aside: Number of files that were not written, by reason.
        report_path: ``deidentified.csv`` in the output folder; contains no original names.
        names_path: List of the files that were set aside, with their original names; next to the key, readable by its
            owner only.
    """

    n_patients: int
    n_written: int
    n_kept: int
    n_flagged: int
    set_aside: dict[str, int]
    report_path: Path
    names_path: Path


@dataclass(slots=True)
class _Run:
    out_dir: Path
    key: Key
    journal: Journal
    settings: DeidentifySettings
    gathered: Gathered
    seen: list[Outcome] = field(default_factory=list)
    set_aside: list[list[str]] = field(default_factory=list)
    marks: dict[str, str] = field(default_factory=dict)
    n_written: int = 0

    def take(self, found: Content) -> None:
        """Write a de-identified copy of one file, or record why not, unless an earlier run has done so."""
        source = self.key.digest(f"path {found.name}")
        outcome = past = self.journal.by_source.get(source)
        is_done = (
            past is not None and past.version == self._version(found, past.patient_id) and past.reason != UNREADABLE
        )
        if outcome is None or not is_done or (outcome.file and not (self.out_dir / outcome.file).is_file()):
            outcome = self._outcome(found, Outcome(source=source, version=""))
            outcome = replace(outcome, version=self._version(found, outcome.patient_id))
            if past is not None and past.file and past.file != outcome.file:  # written earlier, no longer wanted
                (self.out_dir / past.file).unlink(missing_ok=True)
            self.journal.add(outcome)
            self.n_written += bool(outcome.file)
        self.seen.append(outcome)
        if not outcome.file:
            self.set_aside.append([found.name, outcome.patient_id, outcome.reason])

    def _version(self, found: Content, patient_id: str) -> str:
        """Digest of all that a copy depends on: the file, the settings, and what is known about the patients."""
        if patient_id not in self.marks:
            identity = self.gathered.identity(self.key.original_id(patient_id))
            self.marks[patient_id] = f"{identity} {self.gathered.people.mark()}"
        return self.key.digest(f"{RULES} {found.stamp} {self.settings} {self.marks[patient_id]}")

    def _outcome(self, found: Content, outcome: Outcome) -> Outcome:
        try:
            content = found.read()
        except SetAside as refused:
            return replace(outcome, reason=str(refused))
        if not is_dicom(content):
            return replace(outcome, reason="empty" if not content else "not DICOM")
        with quiet():
            try:
                return self._object(_parse(content), outcome)
            except SetAside as refused:
                return replace(outcome, reason=str(refused))
            except PYDICOM_ERRORS as error:  # its message may quote the header
                return replace(outcome, reason=f"damaged or cut short ({type(error).__name__})")

    def _object(self, source: Dataset, outcome: Outcome) -> Outcome:
        verdict = judge(source)
        if verdict.reason and not verdict.is_suspect:
            return replace(outcome, reason=verdict.reason)
        original_id = original_id_of(source)
        subject = self.key.subject(original_id)
        _require_uids(source, original_id, outcome.source)
        cleaner = Cleaner(
            subject,
            self.key.uid,
            self.gathered.identity(original_id).joined(identity_of(source)).in_order(),
            self.gathered.people,
            keep_descriptions=self.settings.keep_descriptions,
            keep_characteristics=self.settings.keep_characteristics,
        )
        target = cleaner.cleaned(source)
        study_uid, series_uid = str(target.StudyInstanceUID), str(target.SeriesInstanceUID)
        outcome = replace(
            outcome,
            patient_id=subject.patient_id,
            series=self.journal.place(subject.patient_id, study_uid, series_uid),
            study_uid=study_uid,
            series_uid=series_uid,
            sop_uid=str(target.SOPInstanceUID),
            reason=verdict.reason,
            is_suspect=verdict.is_suspect,
        )
        if verdict.is_suspect and not self.settings.write_suspects:
            return outcome
        return self._written(target, outcome)

    def _written(self, target: Dataset, outcome: Outcome) -> Outcome:
        from pydicom import dcmwrite

        earlier = self.journal.by_sop.get(outcome.sop_uid)
        if earlier is not None and earlier.source != outcome.source:
            return replace(outcome, reason="has the SOP Instance UID of a file that is already written")
        content = io.BytesIO()
        dcmwrite(content, target, enforce_file_format=True)
        file = earlier.file if earlier else self.journal.next_file(outcome.patient_id, outcome.series)
        with replaced(self.out_dir / file) as temporary_path:
            temporary_path.write_bytes(content.getvalue())
        return replace(outcome, file=file)


def deidentify_folder(
    folder: Path,
    out_dir: Path,
    *,
    key_path: Path,
    settings: DeidentifySettings | None = None,
    progress: Callable[[int], None] = lambda _: None,
    header_progress: Callable[[int], None] = lambda _: None,
) -> Deidentified:
    """Write de-identified copies of the images and masks of a folder to ``out_dir/P0001/study-1/series-1/IM0001.dcm``.

    Headers follow the basic application level confidentiality profile with cleaned descriptors, patient
    characteristics and modified dates retained: every date of a patient is shifted by the same number of days, so times
    of day and intervals are preserved. UIDs are replaced consistently, so masks still refer to their series. Private
    attributes, overlays, icons, reports and documents are dropped, and so are code strings and codes that the standard
    does not define; images that may contain burned-in text are flagged, and written only on request. Pixels are not
    inspected, and a scan of the head may show a recognisable face.

    All headers are read before the first copy is written, because a name may be known from one file only, and the
    description of one patient may name another. An interrupted run resumes and skips the files that are already
    written; they are written again if the folder has new patients, or reveals more about one.

    Args:
        folder: Any folder tree, which may contain zip archives; files that are not DICOM are not copied.
        out_dir: A new or empty folder, or that of an earlier run.
        key_path: The key file, created if missing: a CSV file outside ``folder`` and ``out_dir``.
        settings: What to retain; by default descriptions and characteristics, but no suspects.
        progress: Called after each file with 1.
        header_progress: Called after each header with 1; all headers are read before the first file is written.

    Returns:
        A summary. Its report contains no original names; those of files that were set aside are listed next to the key.

    Raises:
        InputError: If the folders or the key do not fit together, or the key gives two patients one pseudonym.
        RunError: If another process uses the key or writes into the output folder.
        WriteError: If a file cannot be written.

    **Source:** DICOM PS3.15 Annex E, with its options 113105, 113107 and 113108.
    """
    _require_apart(folder, out_dir, key_path)
    private = (key_path, _names_path(key_path))
    leave_out = tuple(path.resolve() for path in (*private, lock_path_of(key_path)))
    with only_writer_of(key_path, is_private=True):
        remove_leftovers(key_path.parent, is_ours={path.name for path in private}.__contains__)
        key = Key(key_path)
        with Journal(out_dir, key) as journal:
            _remove_interrupted(out_dir)
            contents = contents_below(folder.resolve(), leave_out=leave_out)
            gathered = gather(contents, progress=header_progress)
            run = _Run(out_dir, key, journal, settings or DeidentifySettings(), gathered)
            for content in contents_below(folder.resolve(), leave_out=leave_out):
                run.take(content)
                progress(1)
            return _concluded(run, key_path)


def _remove_interrupted(out_dir: Path) -> None:
    """Remove what a killed process left in the folders of series, and nothing behind a symbolic link."""
    remove_leftovers(out_dir, is_ours={REPORT_NAME}.__contains__)
    for series_dir in out_dir.glob("*/study-*/series-*"):
        if series_dir.resolve() == out_dir.resolve() / series_dir.relative_to(out_dir):
            remove_leftovers(series_dir)


def _concluded(run: _Run, key_path: Path) -> Deidentified:
    names_path, report_path = _names_path(key_path), run.out_dir / REPORT_NAME
    write_private(names_path, [["path", "patient_id", "reason"], *run.set_aside])
    outcomes = run.journal.by_source.values()
    counts: dict[tuple[str, str, str], Counter[str]] = {}
    for one in outcomes:
        count = counts.setdefault((one.patient_id, one.series, one.reason), Counter())
        count["files"] += bool(one.file)
        count["set_aside"] += not one.file
        count["flagged"] += one.is_suspect
    rows = [
        {"patient_id": place[0], "series": place[1], "reason": place[2]}
        | {column: count[column] for column in ("files", "flagged", "set_aside")}
        for place, count in sorted(counts.items())
    ]
    write_rows(report_path, _REPORT_COLUMNS, rows)
    n_files = sum(bool(one.file) for one in run.seen)
    return Deidentified(
        n_patients=len({one.patient_id for one in outcomes if one.file}),
        n_written=run.n_written,
        n_kept=n_files - run.n_written,
        n_flagged=sum(one.is_suspect for one in run.seen),
        set_aside=dict(Counter(reason for _, _, reason in run.set_aside).most_common()),
        report_path=report_path,
        names_path=names_path,
    )


def _names_path(key_path: Path) -> Path:
    return key_path.with_name(f"{key_path.stem}.set-aside.csv")


def _require_apart(folder: Path, out_dir: Path, key_path: Path) -> None:
    problems = []
    if not folder.is_dir():
        problems.append(Problem(str(folder), "is not a folder", "Name the folder with the DICOM files."))
    inside, outside = folder.resolve(), out_dir.resolve()
    if inside == outside or inside in outside.parents or outside in inside.parents:
        what = "is inside the input folder, or contains it"
        problems.append(Problem(str(out_dir), what, "Name a separate output folder."))
    if key_path.suffix.lower() != ".csv":
        what = "the name of the key file does not end in .csv"
        problems.append(Problem(str(key_path), what, "Name a CSV file; the key is written as one."))
    if inside in key_path.resolve().parents:
        what = "the key file is in the input folder"
        problems.append(Problem(str(key_path), what, "Name a separate location that only you can read."))
    if outside in key_path.resolve().parents:
        what = "the key file is in the output folder, which is meant to be shared"
        problems.append(Problem(str(key_path), what, "Name a separate location that only you can read."))
    if problems:
        raise InputError(problems)


def _parse(content: bytes) -> Dataset:
    import pydicom
    from pydicom.dataset import FileMetaDataset

    source = pydicom.dcmread(io.BytesIO(content), force=True)
    meta = getattr(source, "file_meta", None) or FileMetaDataset()
    if str(meta.get("MediaStorageSOPClassUID", "")) == MEDIA_DIRECTORY_CLASS:
        raise SetAside("a DICOMDIR, which only lists files")
    if not source:
        raise SetAside("damaged: nothing in it")
    if "TransferSyntaxUID" not in meta:
        meta.TransferSyntaxUID = _BYTE_ORDERS[source.original_encoding]  # type: ignore[index]
    if not is_transfer_syntax(str(meta.TransferSyntaxUID)):
        raise SetAside("a private transfer syntax")
    if "SOPClassUID" not in source and "MediaStorageSOPClassUID" in meta:
        source.SOPClassUID = meta.MediaStorageSOPClassUID
    source.file_meta = meta
    return source


def _require_uids(source: Dataset, original_id: str, path_digest: str) -> None:
    """Add missing UIDs to an object, the same ones on each run."""
    from pydicom import DataElement
    from pydicom.config import IGNORE

    study_uid = text_of(source, "StudyInstanceUID") or f"study of {original_id}"
    series_uid = text_of(source, "SeriesInstanceUID") or f"series of {study_uid}"
    sop_uid = text_of(source, "SOPInstanceUID") or f"object at {path_digest}"
    for tag, uid in ((0x0020000D, study_uid), (0x0020000E, series_uid), (0x00080018, sop_uid)):
        source[tag] = DataElement(tag, "UI", uid, validation_mode=IGNORE)
