"""Whose labels of a patient may be seen: readers are blind to each other until both are done.

A consensus reader sees all. What readers decide together is a journal of its own, ``consensus`` or ``consensus-…``,
which is never compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nephrograde.annotations.agreement import ReaderAgreement, compare_readers, one_sided
from nephrograde.annotations.entry import Kind
from nephrograde.annotations.journal import Journal, readers_in
from nephrograde.annotations.state import phases_of
from nephrograde.cohort.annotated import CONSENSUS, Annotations, is_consensus
from nephrograde.cohort.place import parse_box, parse_point, parse_slice
from nephrograde.cohort.reader_error import FAR_MM
from nephrograde.errors import InputError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from nephrograde.annotations.agreement import Disagreement
    from nephrograde.annotations.state import PatientLabels
    from nephrograde.cohort.agreement_row import AgreementRow

_PLACES: Final[Mapping[Kind, tuple[str, Callable[[str], object]]]] = {
    Kind.POINT: ("point", parse_point),
    Kind.BOX: ("box", parse_box),
    Kind.SLICE: ("slice_place", parse_slice),
}


class Readings:
    """The labels of all readers of a folder, as far as the owner of a journal may see them.

    Args:
        journal: The owner's. If it is one of decisions, the labels of all readers may be seen.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> li, chen = Journal(folder, "li"), Journal(folder, "chen")
    >>> given = {"patient_id": "P1", "phase": "np", "kind": "slice", "value": "-10 mm"}
    >>> done = {"patient_id": "P1", "kind": "done", "value": "yes"}
    >>> _ = li.append({**given, "id": "1" * 32}), li.append({**done, "id": "2" * 32})
    >>> list(Readings(chen).of("P1"))
    []
    >>> _ = chen.append({**done, "id": "3" * 32})
    >>> list(Readings(chen).of("P1"))
    ['li']
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.sees_all = is_consensus(journal.reader)
        self._others: dict[str, Journal] = {}

    @property
    def readers(self) -> list[str]:
        """All who have a journal, without those of decisions, in alphabetical order."""
        return [reader for reader in readers_in(self.journal.folder) if not is_consensus(reader)]

    def of(self, patient_id: str) -> dict[str, PatientLabels]:
        """Return what other readers have said about a patient, as far as it may be seen.

        Args:
            patient_id: The patient.

        Raises:
            InputError: The journal of a reader has damaged lines.
            RunError: It cannot be read.
        """
        own = self.journal.labels().get(patient_id)
        if not self.sees_all and (own is None or not own.is_done):
            return {}
        found = {}
        for reader, labels in self._labels().items():
            theirs = labels.get(patient_id)
            if reader != self.journal.reader and theirs is not None and (self.sees_all or theirs.is_done):
                found[reader] = theirs
        return found

    def agreement(self, patients: Iterable[str], *, far_mm: float = FAR_MM) -> tuple[ReaderAgreement, int]:
        """Compare pairs of readers on the patients with whom both are done; a reader sees only pairs of their own.

        Args:
            patients: Those of the cohort.
            far_mm: Points and slices further apart are a disagreement.

        Returns:
            The agreement, and the number of patients on whom it rests.

        Raises:
            InputError: The journal of a reader has damaged lines.
            RunError: It cannot be read.
        """
        known = set(patients)
        labels = self._labels()
        done = {reader: {one for one in given if given[one].is_done} & known for reader, given in labels.items()}
        own = self.journal.reader
        rows: list[AgreementRow] = []
        disagreements: list[Disagreement] = []
        unreadable: list[tuple[str, str]] = []
        compared: set[str] = set()
        names = list(labels)
        for number, first in enumerate(names):
            for second in names[number + 1 :]:
                if not (self.sees_all or own in {first, second}):
                    continue
                both = done[first] & done[second]
                pair = {
                    reader: annotations_of(
                        {one: labels[reader][one] for one in sorted(both)},
                        self.journal.folder / f"{reader}.masks",
                        phases=self.journal.phases,
                    )
                    for reader in (first, second)
                }
                found = compare_readers(pair, far_mm=far_mm)
                compared |= both
                rows += found.rows
                disagreements += [*found.disagreements, *one_sided(pair)]
                unreadable += found.unreadable
        disagreements.sort(key=lambda one: one.order)
        agreement = ReaderAgreement(tuple(names), tuple(rows), tuple(disagreements), tuple(unreadable))
        return agreement, len(compared)

    def _labels(self) -> dict[str, dict[str, PatientLabels]]:
        """The labels by reader and patient; journals are kept, so that only what is new is read."""
        found = {}
        for reader in self.readers:
            if reader == self.journal.reader:
                found[reader] = self.journal.labels()
                continue
            journal = self._others.setdefault(reader, Journal(self.journal.folder, reader))
            found[reader] = journal.labels()
        return found


def annotations_of(labels: Mapping[str, PatientLabels], masks_dir: Path, *, phases: Iterable[str] = ()) -> Annotations:
    """Convert the labels of a journal to those of a table.

    Args:
        labels: By patient.
        masks_dir: The folder of the masks that they name.
        phases: Phases of the study, for what was said about a patient as a whole.
    """
    shown = phases_of(labels.values(), phases)
    given: dict[tuple[str, str], dict[str, object]] = {}
    for patient, own in labels.items():
        for phase in shown:
            found: dict[str, object] = {}
            for kind, (name, parse) in _PLACES.items():
                if value := own.value(phase, kind):
                    found[name] = parse(value)
            if mask := own.value(phase, Kind.MASK):
                found["mask_path"] = masks_dir / mask
            if state := own.state(phase):
                found["state"] = state
            if found:
                given[patient, phase] = found
    return Annotations(masks_dir.name, given, tuple(labels))


def check_consensus(reader: str, *, decides: bool) -> None:
    """Check that whoever sees the labels of others writes into a journal of decisions, and nobody else does.

    Args:
        reader: Whose journal is to be opened.
        decides: Whether the labels of all readers are to be shown.

    Raises:
        InputError: The one without the other.
    """
    if decides and not is_consensus(reader):
        what = f"{reader!r} is a reader, who would not be blind to the others any more"
        raise InputError([Problem("--reader", what, f"Leave it out, or use a name such as {CONSENSUS}-2.")])
    if not decides and is_consensus(reader):
        what = f"{reader!r} is the name of a journal of decisions"
        raise InputError([Problem("--reader", what, "Add --consensus, or choose another name.")])
