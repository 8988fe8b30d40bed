"""One reader's session: the patients of the cohort, their scans and the journal, as the page asks for them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nephrograde.annotations.entry import LABELS, REFUSED_MASK, Entry, Kind
from nephrograde.annotations.state import PatientLabels
from nephrograde.annotations.voxels import is_voxels
from nephrograde.cohort.place import parse_box, parse_point, parse_slice
from nephrograde.errors import InputError, NephrogradeError, PlaceError, Problem, VolumeError
from nephrograde.web.kidneys import KidneyFinder, Kidneys
from nephrograde.web.masks import (
    IMPORTED,
    ImportedMask,
    ImportedMasks,
    accepted,
    check_strokes,
    mask_content,
    mask_label,
)
from nephrograde.web.requests import UnknownError
from nephrograde.web.scans import Plane, ScanShelf, Slices

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nephrograde.annotations.journal import Journal
    from nephrograde.cohort.case import Scan
    from nephrograde.cohort.place import Box
    from nephrograde.web.series import SeriesReview


@dataclass(frozen=True, slots=True, eq=False)
class Patient:
    """A patient of the cohort: the id and the scans by phase."""

    patient_id: str
    scans: Mapping[str, Scan]


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """What the page works on.

    Patients are addressed by their number in the table, from 0, so that no address contains an identifier, and phases
    by their name in the study. Neither ever becomes part of a path.

    Attributes:
        name: Of the study or the table.
        patients: In the order of the table.
        phases: In the order of the study.
        journal: Where entries go.
        windows: Low and high value of further windows, by name.
        shelf: The scans that were read.
        series: The choice of series, if a scan wrote the cohort table.
        imported: The masks of the table that were read.
    """

    name: str
    patients: Sequence[Patient]
    phases: Sequence[str]
    journal: Journal
    windows: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    shelf: ScanShelf = field(default_factory=ScanShelf)
    series: SeriesReview | None = None
    imported: ImportedMasks = field(default_factory=ImportedMasks)
    _finder: KidneyFinder = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_finder", KidneyFinder(self.slices, self._scan))

    def patient(self, number: int) -> Patient:
        """Return a patient by number.

        Raises:
            UnknownError: There is no such patient.
        """
        if not 0 <= number < len(self.patients):
            raise UnknownError(f"There is no patient {number}; the cohort has {len(self.patients)}, counted from 0.")
        return self.patients[number]

    def slices(self, number: int, phase: str) -> Slices:
        """Return the slices of one phase of a patient.

        Raises:
            UnknownError: There is no such patient, or the patient has no such phase.
            VolumeError: The image cannot be read.
        """
        return self.shelf.get((number, phase), self._scan(number, phase))

    def _scan(self, number: int, phase: str) -> Scan:
        patient = self.patient(number)
        if phase not in patient.scans:
            raise UnknownError(f"The patient has no phase of this name; there are {', '.join(patient.scans)}.")
        return patient.scans[phase]

    def kidneys(self, number: int) -> Kidneys:
        """Say where the kidneys of a patient are, or that they are searched for in the background.

        Raises:
            UnknownError: There is no such patient.
        """
        return self._finder.ask(number, list(self.patient(number).scans))

    def read_first(self) -> None:
        """Read the scans of the first patient who is not done, whom the page opens; scans that cannot be read wait.

        Then write the masks that a killed server has left behind in its journal.
        """
        patients = self.overview()
        if not patients:
            return
        number = next((n for n, patient in enumerate(patients) if patient["state"] != "done"), 0)
        for phase in self.patient(number).scans:
            with suppress(VolumeError):
                self.slices(number, phase)
        if self.journal.path.exists():
            with suppress(NephrogradeError):  # the next entry says what is wrong
                self.journal.write_result()

    def slice_bytes(self, number: int, phase: str, k: int, plane: Plane = "axial") -> bytes:
        """Return one slice as little-endian 16-bit values.

        Raises:
            UnknownError: There is no such patient, phase or slice.
            VolumeError: The image cannot be read.
        """
        slices = self.slices(number, phase)
        if not 0 <= k < slices.count(plane):
            what = f"There is no {plane} slice {k}; the scan has {slices.count(plane)}, counted from 0."
            raise UnknownError(what)
        return slices.slice_bytes(k, plane)

    def drawn_mask(self, number: int, phase: str) -> dict[str, str]:
        """Return the drawn mask of a phase: the key of its content, its origin and its voxels; empty if there is none.

        Raises:
            UnknownError: There is no such patient, or the patient has no such phase.
            VolumeError: The mask cannot be put together.
        """
        self._scan(number, phase)
        patient = self.patient(number)
        labels = self.journal.labels().get(patient.patient_id, PatientLabels(patient.patient_id))
        return mask_content(labels, phase, self.journal)

    def imported_mask(self, number: int, phase: str) -> ImportedMask:
        """Return the mask that the table has for a phase.

        Raises:
            UnknownError: There is no such patient or phase, or the table has no mask for it.
            VolumeError: The image or the mask cannot be read, or the mask cannot be used on the image.
        """
        mask_path = self._scan(number, phase).mask_path
        if mask_path is None:
            raise UnknownError("The table has no mask for this phase.")
        return self.imported.get(mask_path, self.slices(number, phase))

    def overview(self) -> list[dict[str, object]]:
        """List all patients with their phases and how far they are: open, started or done."""
        labels = self.journal.labels()
        return [
            {
                "number": number,
                "patient_id": patient.patient_id,
                "phases": list(patient.scans),
                "state": _progress(labels.get(patient.patient_id)),
            }
            for number, patient in enumerate(self.patients)
        ]

    def labels(self, number: int) -> dict[str, Any]:
        """Describe the labels of a patient, for the page.

        Raises:
            UnknownError: There is no such patient.
        """
        patient = self.patient(number)
        patient_id = patient.patient_id
        entries = [entry for entry in self.journal.entries() if entry.patient_id == patient_id]
        labels = self.journal.labels().get(patient_id, PatientLabels(patient_id))
        return {
            "number": number,
            "patient_id": patient_id,
            "phases": {
                phase: {
                    kind.value: mask_label(labels, phase)
                    if kind is Kind.MASK
                    else {"value": one.value, "origin": one.origin.value}
                    for kind, one in given.items()
                }
                for phase, given in labels.phases.items()
            },
            "states": {phase: labels.state(phase) for phase in self.phases},
            "imported": [phase for phase, scan in patient.scans.items() if scan.mask_path is not None],
            "comment": labels.comment,
            "progress": _progress(labels),
            "active_s": labels.active_s,
            "undo": labels.undo,
            "redo": labels.redo,
            "seen": _seen(entries, labels),
            "conflicts": [
                {
                    "phase": conflict.phase,
                    "kind": conflict.kind.value,
                    "counts": conflict.counts.value,
                    "others": [entry.value for entry in conflict.others if conflict.kind is not Kind.MASK],
                }
                for conflict in labels.conflicts
            ],
        }

    def save(self, number: int, given: Mapping[str, Any]) -> Entry:
        """Save an entry of the page; when this returns, it is on the disk.

        Args:
            number: The patient's.
            given: The keys of an entry.

        Raises:
            UnknownError: There is no such patient.
            InputError: The entry is not valid, or is about another patient, phase or place than the cohort has.
            RunError: The journal is held by another process.
            WriteError: The entry cannot be written.
        """
        patient = self.patient(number)
        problems = []
        if given.get("patient_id") != patient.patient_id:
            remedy = "Reload the page; the table has changed."
            problems.append(Problem("patient_id", "is not that of the patient of this address", remedy))
        phase, kind, value = (given.get(key, "") for key in ("phase", "kind", "value"))
        if phase != "" and (not isinstance(phase, str) or phase not in patient.scans):
            remedy = f"There are {', '.join(patient.scans)}."
            problems.append(Problem("phase", "the patient has no phase of this name", remedy))
        if problems:
            raise InputError(problems)
        if isinstance(kind, str) and kind in set(LABELS) and phase and isinstance(value, str) and value:
            if kind == Kind.MASK:
                return self.journal.append(self._checked_mask(number, phase, given))
            self._check_place(number, phase, kind=Kind(kind), value=value)
        return self.journal.append(given)

    def _checked_mask(self, number: int, phase: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Refuse what is not a mask on the image, and fill in the voxels where the imported one is accepted."""
        value = given["value"]
        if value.startswith(IMPORTED):
            return accepted(given, self.imported_mask(number, phase))
        patient = self.patient(number)
        if value == REFUSED_MASK and patient.scans[phase].mask_path is None:
            raise InputError([Problem("value", "the table has no mask that could be refused", "Send nothing.")])
        if is_voxels(value):
            labels = self.journal.labels().get(patient.patient_id)
            check_strokes(value, self.slices(number, phase), labels, phase)
        elif value != REFUSED_MASK:
            remedy = f'Send the voxels of slices, "{IMPORTED}" and a digest, or "{REFUSED_MASK}".'
            raise InputError([Problem("value", "is not a mask that the page saves", remedy)])
        return given

    def _check_place(self, number: int, phase: str, *, kind: Kind, value: str) -> None:
        """Refuse a place outside the image; how it is written is checked where the entry is read."""
        try:
            is_inside = _is_inside(value, kind, self.slices(number, phase))
            is_flat = kind is Kind.BOX and not _has_area(parse_box(value))
        except PlaceError:
            return
        if is_flat:
            what = f"{value[:80]!r} has no area on an axial slice"
            raise InputError([Problem("value", what, "Draw the box from corner to corner.")])
        if is_inside:
            return
        elsewhere = []
        for other in self.patient(number).scans:
            with suppress(VolumeError):  # it cannot be said of a scan that cannot be read
                if other != phase and _is_inside(value, kind, self.slices(number, other)):
                    elsewhere.append(other)
        remedy = f"It is inside that of {', '.join(elsewhere)}. " if elsewhere else ""
        what = f"{value[:80]!r} is outside the image of phase {phase}"
        raise InputError([Problem("value", what, f"{remedy}Draw it on the image.")])


def _has_area(box: Box) -> bool:
    return all(low < high for low, high in zip(box.corner_a[:2], box.corner_b[:2], strict=True))


def _is_inside(value: str, kind: Kind, slices: Slices) -> bool:
    """Whether a label is inside an image; of a box, both corners."""
    if kind is Kind.SLICE:
        return slices.has_height(parse_slice(value).coordinate)
    box = parse_box(value) if kind is Kind.BOX else None
    corners = [parse_point(value).position] if box is None else [box.corner_a, box.corner_b]
    return all(map(slices.holds, corners))


def _progress(labels: PatientLabels | None) -> str:
    if labels is None:
        return "open"
    if labels.is_done:
        return "done"
    return "started" if labels.phases or labels.comment else "open"


def _seen(entries: Iterable[Entry], labels: PatientLabels) -> dict[str, str]:
    """For each label what the next entry about it follows: the last entry, or all that are in conflict."""
    seen = {f"{entry.phase} {entry.kind}": entry.id for entry in entries if entry.kind.is_change}
    for conflict in labels.conflicts:
        ids = [conflict.counts.id, *(entry.id for entry in conflict.others)]
        seen[f"{conflict.phase} {conflict.kind}"] = " ".join(ids)
    return seen
