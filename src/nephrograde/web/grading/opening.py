"""What a process does with an upload: unpack it, list its series, recognise their phases, and store their slices."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.errors import VolumeError
from nephrograde.organs.enhancement import judge_enhancement, measure_enhancement
from nephrograde.sources.scan.catalogue import catalogue
from nephrograde.sources.scan.lists import write_list
from nephrograde.volume.check import check_volume
from nephrograde.volume.dicom.archive import BOMB, ENCRYPTED, TOO_LARGE_MEMBER, ArchiveRefused, walk_members
from nephrograde.volume.dicom.header import SeriesHeader
from nephrograde.volume.grid import FEWEST_SLICES
from nephrograde.volume.phase.recognise import recognise_phases
from nephrograde.volume.phase.words import reason_not_a_scan
from nephrograde.volume.read import read_volume
from nephrograde.web.grading.content import HEAD_BYTES, SUFFIXES, content_of
from nephrograde.web.grading.refusal import Refusal
from nephrograde.web.scans import as_slices

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.volume.phase.evidence import Evidence, PhaseAnswer
    from nephrograde.volume.volume import Volume

MOST_SERIES = 16
"""Series of one upload that are read; a study of three phases rarely has more that are scans."""
_NOT_HU = "not-hu"
_TOO_LARGE = "What was sent unpacks to more than this server takes. Send one study, or only the series to grade."


def open_upload(upload_path: Path, *, room_bytes: int, step: Callable[[str], None]) -> dict[str, Any]:
    """Read an upload, and store each scan in it as slices beside it.

    Args:
        upload_path: The file, named by its content. An archive is removed once it is unpacked.
        room_bytes: How many bytes all files beside it may take.
        step: Called with the name of each step.

    Returns:
        ``series``: each with its number, phase and geometry, or with what is wrong with it.

    Raises:
        Refusal: With code "no-zip", "zip-bomb", "too-large", "no-scan", "not-ct" or "several-patients".
    """
    folder = upload_path.parent
    opening = _Opening(folder, room_bytes, step)
    files_dir = folder / "files"
    files_dir.mkdir(mode=0o700)
    with upload_path.open("rb") as stream:
        content = content_of(stream.read(HEAD_BYTES))
    if content == "zip":
        step("unpacking")
        opening.unpack(upload_path, files_dir)
        upload_path.unlink()
    else:
        upload_path.rename(files_dir / f"1{SUFFIXES[content]}")
    step("reading")
    opening.read_dicom(files_dir)
    for path in sorted(files_dir.glob("*.nii*"), key=lambda one: int(one.name.partition(".")[0])):
        opening.read_nifti(path)
    return {"series": opening.found()}


class _Opening:
    """The series of one upload, as they are found."""

    def __init__(self, folder: Path, room_bytes: int, step: Callable[[str], None]) -> None:
        self._folder, self._room_bytes, self._step = folder, room_bytes, step
        self._series: list[dict[str, Any]] = []
        self._n_read = 0

    def found(self) -> list[dict[str, Any]]:
        """The series, unless none of them can be graded."""
        problems = [one["problem"] for one in self._series if one["problem"]]
        if not self._series:
            what = "The upload holds no scan: neither a DICOM series nor a NIfTI file."
            raise Refusal("no-scan", what)
        if len(problems) == len(self._series):
            kinds = {one["code"] for one in problems}
            first = next((one for one in problems if one["code"] != "too-few-slices"), problems[0])
            raise Refusal(first["code"] if len(kinds - {"too-few-slices"}) <= 1 else "no-scan", first["reason"])
        return self._series

    def unpack(self, archive_path: Path, files_dir: Path) -> None:
        """Unpack the members that are DICOM or NIfTI, under numbers."""
        refusals = set()
        number = 0
        try:
            for member in walk_members(archive_path):
                if member.refused in {BOMB, TOO_LARGE_MEMBER}:
                    raise Refusal("zip-bomb", "The archive claims to unpack to many times its size; it is not read.")
                if member.refused:
                    refusals.add(member.refused)
                    continue
                content = _content_of_member(member.beginning(HEAD_BYTES))
                if not content:
                    continue
                number += 1
                self._spend(member.n_bytes)
                (files_dir / f"{number}{content}").write_bytes(member.read())
        except ArchiveRefused as refused:
            raise Refusal("no-zip", f"The archive cannot be read: {refused}. Pack it again.") from None
        if refusals and not number:
            code = "encrypted" if ENCRYPTED in refusals else "no-zip"
            raise Refusal(code, f"Nothing in the archive can be read: {min(refusals)}. Pack it again.")

    def read_dicom(self, files_dir: Path) -> None:
        """Read the series of the DICOM files in a folder."""
        with closing(catalogue(files_dir, self._folder / "headers.sqlite", workers=1)) as held:
            studies = list(held.studies())
            if len({one.patient_id for study in studies for one in study} - {""}) > 1:
                what = "The upload holds series of several patients. Send those of one patient."
                raise Refusal("several-patients", what)
            for study in studies:
                images = sorted((one for one in study if one.rows), key=_in_order)
                seen: dict[str, Evidence] = {}
                first = len(self._series)
                for header in images:
                    list_path = self._folder / "lists" / f"{len(self._series) + 1}.series"
                    write_list(list_path, held.files(header))
                    evidence = self._read(list_path, header, kind="dicom")
                    if evidence is not None:
                        seen[header.key] = evidence
                answers = recognise_phases(images, seen)
                for entry, header in zip(self._series[first:], images, strict=True):
                    _name_phase(entry, answers[header.key])

    def read_nifti(self, path: Path) -> None:
        """Read one NIfTI file; its phase can be seen in the image only."""
        header = SeriesHeader(series_uid=path.name, modality="CT", n_images=FEWEST_SLICES)
        evidence = self._read(path, header, kind="nifti")
        seen = {} if evidence is None else {header.key: evidence}
        _name_phase(self._series[-1], recognise_phases([header], seen)[header.key])

    def _read(self, path: Path, header: SeriesHeader, *, kind: str) -> Evidence | None:
        """Read one series, and list it; returns what the image says about its phase."""
        number = len(self._series) + 1
        entry: dict[str, Any] = {
            "number": number,
            "kind": kind,
            "path": str(path),
            "description": header.description,
            "phase": "",
            "probability": 0.0,
            "remarks": [],
            "problem": _unreadable(header) or (_too_many() if self._n_read >= MOST_SERIES else None),
            "geometry": None,
        }
        self._series.append(entry)
        if entry["problem"]:
            return None
        self._n_read += 1
        self._step(f"reading {number}")
        try:
            volume = read_volume(path)
        except VolumeError as error:
            entry["problem"] = {"code": error.code, "reason": f"{error.message} {error.remedy}"}
            return None
        return self._store(volume, entry)

    def _store(self, volume: Volume, entry: dict[str, Any]) -> Evidence | None:
        faults = check_volume(volume)
        entry["remarks"] = [{"code": one.code, "text": f"{one.message} {one.remedy}"} for one in faults]
        self._spend(2 * volume.values.size)
        slices = as_slices(volume)
        slices_path = self._folder / f"slices-{entry['number']}.npy"
        np.save(slices_path, slices.values)
        entry.update(geometry=slices.geometry, slices=str(slices_path))
        if any(one.code == _NOT_HU for one in faults):
            return None
        enhancement = measure_enhancement(volume)
        return None if enhancement is None else judge_enhancement(enhancement)

    def _spend(self, n_bytes: int) -> None:
        self._room_bytes -= n_bytes
        if self._room_bytes < 0:
            raise Refusal("too-large", _TOO_LARGE, 413)


def _in_order(header: SeriesHeader) -> tuple[bool, int, str]:
    """Series are listed as the scanner has numbered them."""
    return header.series_number is None, header.series_number or 0, header.key


def _content_of_member(head: bytes) -> str:
    """The suffix of a member that may be a scan; empty for any other."""
    try:
        content = content_of(head)
    except Refusal:
        return ""
    return "" if content == "zip" else SUFFIXES[content]


def _unreadable(header: SeriesHeader) -> dict[str, str] | None:
    if header.modality not in {"", "CT"}:
        what = f"The series is {header.modality[:16]}, and the models grade CT only. Send the CT."
        return {"code": "not-ct", "reason": what}
    if header.n_images < FEWEST_SLICES:
        what = f"The series has {header.n_images} slices, at least {FEWEST_SLICES} are needed. Send the whole series."
        return {"code": "too-few-slices", "reason": what}
    if reason_not_a_scan(header) is not None:
        what = "The series is a localiser, bolus tracking or a dose sheet. Choose another series."
        return {"code": "not-a-scan", "reason": what}
    return None


def _too_many() -> dict[str, str]:
    what = f"Only the first {MOST_SERIES} series of an upload are read. Send this series alone."
    return {"code": "too-many-series", "reason": what}


def _name_phase(entry: dict[str, Any], answer: PhaseAnswer) -> None:
    if entry["problem"] is None:
        entry.update(phase=answer.phase, probability=answer.probability)
