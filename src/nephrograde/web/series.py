"""The choice of series of a scan, as the page shows it, and the corrections that a person makes there.

Patients and series are addressed by their numbers in ``series.csv``; neither UIDs nor paths are part of an address.
"""

from __future__ import annotations

import tempfile
import threading
from collections import Counter, OrderedDict
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.cohort.scanned import SCANNED
from nephrograde.errors import (
    InputError,
    NephrogradeError,
    Problem,
    RunError,
    VolumeError,
    about_temporary_files,
)
from nephrograde.files import read_json, sha256_of
from nephrograde.report.pages.series_page import in_percent, is_contradicted, is_unsure, needs_review
from nephrograde.report.text.language import phase_heading, t
from nephrograde.report.text.messages import problem_in_words
from nephrograde.report.text.series_words import details_in_words, kind_in_words, sight_in_words
from nephrograde.sources.scan.catalogue import last_catalogue
from nephrograde.sources.scan.corrections_file import Change, Corrected, Correction, CorrectionsFile, EditedError
from nephrograde.sources.scan.lists import write_list
from nephrograde.sources.scan.paths import ScanPaths
from nephrograde.sources.scan.store import about_catalogue
from nephrograde.sources.scan.tables import CORRECTIONS
from nephrograde.volume.dicom.series import read_middle_slice
from nephrograde.volume.phase.evidence import PHASES
from nephrograde.volume.series_table import SeriesEntry, read_series
from nephrograde.volume.statement import MASK_CODES
from nephrograde.volume.thumbnail import thumbnail_png
from nephrograde.web.requests import UnknownError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PICTURE_PX = 240
_MOST_PICTURES = 400  # of some 15 kB each
_BY_PERSON = frozenset({"chosen-by-person", "left-out-by-person"})
_NO_IMAGE = frozenset({"not-ct", "dose-sheet", *MASK_CODES})


class FixedError(NephrogradeError):
    """A series that cannot be corrected."""


@dataclass(frozen=True, slots=True)
class _Listing:
    """``series.csv`` at one moment: the series of each patient, in the order of the table."""

    stamp: str
    patients: tuple[tuple[SeriesEntry, ...], ...]
    shared_uids: frozenset[str]


class SeriesReview:
    """The series that a scan found, and the table of corrections that the next scan reads.

    Everything is read again when it has changed on the disk, so a scan may run while the page is open.
    """

    def __init__(self, table_path: Path, reader: str) -> None:
        """Name the output of a scan.

        Args:
            table_path: The cohort table.
            reader: Who corrects.
        """
        self.paths = ScanPaths(table_path)
        self.reader = reader
        self._held: tuple[tuple[int, int], _Listing] | None = None
        self._files: dict[Path, CorrectionsFile] = {}
        self._pictures: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()
        self._guard = threading.Lock()

    @property
    def corrections(self) -> CorrectionsFile:
        """The table of corrections: the one that the last scan was told to read, or else the one beside the tables."""
        state_path = self.paths.beside(SCANNED[1:])
        named = read_json(state_path).get(CORRECTIONS) if state_path.is_file() else None
        path = self.paths.table_path.parent / named if isinstance(named, str) else self.paths.corrections_path
        with self._guard:
            return self._files.setdefault(path, CorrectionsFile(path))

    def overview(self) -> dict[str, Any]:
        """List all patients, with how urgently their choice is to be reviewed, for the page.

        Raises:
            RunError: ``series.csv`` cannot be read, or has another format.
        """
        listing, corrected = self._listing(), self.corrections.read()
        return {
            "corrections": self.corrections.path.name,
            "problems": [problem_in_words(problem) for problem in self._problems(corrected)],
            "phases": [{"code": phase, "name": phase_heading(phase)} for phase in PHASES],
            "patients": [
                {
                    "number": number,
                    "patient_id": entries[0].patient_id,
                    "state": _state(entries),
                    "n_series": len(entries),
                    "n_corrected": _n_corrected(entries, corrected),
                }
                for number, entries in enumerate(listing.patients)
            ],
        }

    def patient(self, number: int) -> dict[str, Any]:
        """Describe all series of a patient, for the page.

        Args:
            number: The patient's, from 0.

        Raises:
            UnknownError: There is no such patient.
            RunError: ``series.csv`` cannot be read, or has another format.
        """
        listing, corrected = self._listing(), self.corrections.read()
        entries = self._entries(listing, number)
        return {
            "number": number,
            "patient_id": entries[0].patient_id,
            "state": _state(entries),
            "seen": f"{listing.stamp} {corrected.stamp}",
            "problems": [problem_in_words(problem) for problem in self._problems(corrected)],
            "n_corrected": _n_corrected(entries, corrected),
            "series": [
                {"number": k, **_describe(entry, corrected), "fixed": _fixed(entry, listing)}
                for k, entry in enumerate(entries)
            ],
        }

    def picture(self, number: int, k: int) -> bytes:
        """Draw a slice of a series as PNG: through the kidneys if the scan drew one, otherwise the middle one.

        Args:
            number: The patient's, from 0.
            k: The number of the series, from 0.

        Raises:
            UnknownError: There is no such patient or series.
            VolumeError: The slice cannot be read.
            InputError: The catalogue of the scan is missing or in use.
        """
        listing = self._listing()
        entry = self._entry(listing, number, k)
        key = (listing.stamp, number, k)
        with self._guard:
            if key in self._pictures:
                self._pictures.move_to_end(key)
                return self._pictures[key]
        png = self._drawn(entry) or self._middle_slice(entry)
        with self._guard:
            self._pictures[key] = png
            while len(self._pictures) > _MOST_PICTURES:
                self._pictures.popitem(last=False)
        return png

    def save(self, number: int, k: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """Save what a person says of a series; when this returns, a scan reads it.

        Args:
            number: The patient's, from 0.
            k: The number of the series, from 0.
            given: ``id`` (32 hexadecimal digits), ``seen`` as the page got it, ``phase`` (empty: left out, null: taken
                back) and ``session``.

        Returns:
            The patient, as the page shows it.

        Raises:
            UnknownError: There is no such patient or series.
            EditedError: The tables were changed since the page read them.
            FixedError: The series cannot be corrected.
            InputError: Nothing can be corrected here, or what was sent is not valid.
            RunError: Another process writes the table.
            WriteError: It cannot be written.
        """
        listing = self._listing()
        entry = self._entry(listing, number, k)
        phase, texts = given.get("phase", ""), [given.get(name, "") for name in ("id", "seen", "session")]
        if not (phase is None or isinstance(phase, str)) or not all(isinstance(text, str) for text in texts):
            raise InputError([Problem("body", "has values of the wrong type", "Reload the page.")])
        change_id, seen, session = map(str, texts)
        if reason := _fixed(entry, listing):
            raise FixedError(reason)
        if refusals := self._refusals():
            raise InputError(refusals)
        seen_scan, _, seen_file = seen.partition(" ")
        if seen_scan != listing.stamp:  # the numbers may mean other series
            raise EditedError("The folder was scanned again since this page read it. Look at the series again.")
        entries = self._entries(listing, number)
        change = Change(
            id=change_id,
            reader=self.reader,
            patient_id=entry.patient_id,
            series_uid=entry.series_uid,
            part=entry.part,
            description=entry.description,
            phase=phase,
            parts=tuple(one.part for one in entries if one.series_uid == entry.series_uid),
            instead_of=self._rivals(entries, entry, phase),
            session=session[:64],
        )
        self.corrections.change(change, seen=seen_file)
        return self.patient(number)

    def _rivals(self, entries: Sequence[SeriesEntry], entry: SeriesEntry, phase: str | None) -> tuple[str, ...]:
        """Other series of the patient to which a person has given the same phase: a phase has one series."""
        if not phase:
            return ()
        corrected = self.corrections.read()
        others = [one for one in entries if _key(one) != _key(entry)]
        return tuple(_key(one) for one in others if (said := _said(one, corrected)) is not None and said.phase == phase)

    def _listing(self) -> _Listing:
        path = self.paths.series_path
        try:
            status = path.stat()
        except OSError:
            raise RunError(f"{path.name} is missing. Scan the folder again.") from None
        stamp = (status.st_mtime_ns, status.st_size)
        with self._guard:
            if self._held is None or self._held[0] != stamp:
                self._held = (stamp, _read(path))
            return self._held[1]

    def _entries(self, listing: _Listing, number: int) -> tuple[SeriesEntry, ...]:
        if not 0 <= number < len(listing.patients):
            raise UnknownError(f"There is no patient {number}; the scan found {len(listing.patients)}, counted from 0.")
        return listing.patients[number]

    def _entry(self, listing: _Listing, number: int, k: int) -> SeriesEntry:
        entries = self._entries(listing, number)
        if not 0 <= k < len(entries):
            raise UnknownError(f"There is no series {k}; the patient has {len(entries)}, counted from 0.")
        return entries[k]

    def _refusals(self) -> list[Problem]:
        """Why nothing can be corrected here."""
        if self.paths.beside("catalogue.sqlite").is_file():
            return []
        what = "was planned from a table of series, and corrections are read where a folder is scanned"
        return [Problem(self.paths.table_path.name, what, "Scan the folder of the images.")]

    def _problems(self, corrected: Corrected) -> list[Problem]:
        return [*self._refusals(), *corrected.problems]

    def _drawn(self, entry: SeriesEntry) -> bytes:
        """The picture that the scan drew of a chosen series; empty if there is none."""
        if not entry.is_chosen or entry.reason.code in MASK_CODES:
            return b""
        folder = self.paths.beside("thumbs")
        path = folder / f"{entry.patient_id}-{entry.phase}-axial.png"
        return path.read_bytes() if path.parent == folder and path.is_file() else b""

    def _middle_slice(self, entry: SeriesEntry) -> bytes:
        catalogue_path = self.paths.beside("catalogue.sqlite")
        with about_catalogue(catalogue_path), last_catalogue(catalogue_path) as held:
            header = held.find(entry.study_uid, entry.series_uid, entry.part)
            files = [] if header is None else held.files(header)
        if not files:
            raise VolumeError("file-missing", "the files of this series are not known.", "Scan the folder again.")
        with about_temporary_files(), tempfile.TemporaryDirectory(prefix="nephrograde-") as folder:
            list_path = Path(folder) / "list" / "one.series"
            write_list(list_path, files)
            plane, pixel_mm, is_ct = read_middle_slice(list_path)
        if is_ct:
            return thumbnail_png(plane, pixel_mm=pixel_mm, width_px=PICTURE_PX)
        low, high = (float(value) for value in np.percentile(plane, (1, 99)))
        return thumbnail_png(plane, pixel_mm=pixel_mm, window_hu=(low, max(high, low + 1)), width_px=PICTURE_PX)


def open_series(table_path: Path, reader: str) -> SeriesReview | None:
    """Open the choice of series that belongs to a cohort table; None if no scan wrote the table.

    Args:
        table_path: The cohort table.
        reader: Who corrects.
    """
    review = SeriesReview(table_path, reader)
    is_scanned = review.paths.beside(SCANNED[1:]).is_file() and review.paths.series_path.is_file()
    return review if is_scanned else None


def _read(series_path: Path) -> _Listing:
    entries = sorted(read_series(series_path), key=lambda entry: entry.patient_id)
    patients = [tuple(members) for _, members in groupby(entries, key=lambda entry: entry.patient_id)]
    patients.sort(key=lambda members: ("contradicted", "unsure", "").index(_state(members)))
    owners = Counter(uid for members in patients for uid in {entry.series_uid for entry in members})
    shared = frozenset(uid for uid, count in owners.items() if count > 1)
    return _Listing(sha256_of(series_path), tuple(patients), shared)


def _state(entries: Sequence[SeriesEntry]) -> str:
    if any(map(is_contradicted, entries)):
        return "contradicted"
    return "unsure" if needs_review(entries) else ""


def _key(entry: SeriesEntry) -> str:
    return f"{entry.series_uid}.{entry.part}" if entry.part else entry.series_uid


def _said(entry: SeriesEntry, corrected: Corrected) -> Correction | None:
    return corrected.by_key.get(_key(entry), corrected.by_key.get(entry.series_uid))


def _n_corrected(entries: Sequence[SeriesEntry], corrected: Corrected) -> int:
    return sum(_said(entry, corrected) is not None for entry in entries)


def _fixed(entry: SeriesEntry, listing: _Listing) -> str:
    """Why a series cannot be corrected; empty if it can."""
    if entry.reason.code in _NO_IMAGE:
        return t("This is not a CT scan.")
    if entry.series_uid in listing.shared_uids:
        return t("Several patients have a series with this UID, and a correction would apply to all of them.")
    return ""


def _describe(entry: SeriesEntry, corrected: Corrected) -> dict[str, Any]:
    said = _said(entry, corrected)
    return {
        "description": entry.description,
        "slices": entry.slices,
        "step_mm": entry.step_mm,
        "thickness_mm": entry.thickness_mm,
        "phase": entry.phase,
        "probability": in_percent(entry.probability),
        "evidence": _evidence(entry),
        "reason": kind_in_words(entry.reason),
        "detail": details_in_words(entry.reason, entry.grounds),
        "is_chosen": entry.is_chosen,
        "is_mask": entry.reason.code in MASK_CODES,
        "is_unsure": is_unsure(entry),
        "is_contradicted": is_contradicted(entry),
        "correction": None if said is None else {"phase": said.phase, "reader": said.reader, "at": said.at},
        "is_applied": _is_applied(entry, None if said is None else said.phase),
    }


def _evidence(entry: SeriesEntry) -> list[str]:
    """What speaks for the phase; where no image does, that is said as well."""
    by_image = any(seen.code.startswith("image.") for seen in entry.evidence)
    lines = [sight_in_words(seen) for seen in entry.evidence]
    return lines if by_image else [*lines, t("image: not inspected, or no kidney found")]


def _is_applied(entry: SeriesEntry, phase: str | None) -> bool:
    """Whether the last scan has taken what a person says now."""
    if phase is None:
        return entry.reason.code not in _BY_PERSON
    if not phase:
        return entry.reason.code == "left-out-by-person"
    return entry.phase == phase and entry.reason.code in {"chosen-by-person", "unreadable"}
