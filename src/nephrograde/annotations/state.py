"""What a reader's labels of each patient are after the entries of a journal, and the table of them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nephrograde.annotations.entry import LABELS, STATES, Entry, Kind, Origin
from nephrograde.files import write_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Conflict:
    """Entries for the same patient, phase and kind whose authors had not seen each other's.

    Attributes:
        counts: The later one, which counts.
        others: The others. An entry that follows all of them settles the conflict.
    """

    phase: str
    kind: Kind
    counts: Entry
    others: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class PatientLabels:
    """What a reader has said about a patient.

    Attributes:
        patient_id: The patient.
        phases: For each phase the entries that count, by kind; a phase without labels is missing.
        comment: On the patient as a whole, or on phases, in the order of the journal.
        is_done: Whether the reader has finished with the patient.
        active_s: Seconds of activity of all entries, also of those that were taken back.
        conflicts: What two authors have said without knowing of each other.
        undo: The id of the entry that an undo takes back; empty if there is none.
        redo: The id of the entry that a redo restores; empty if there is none.
    """

    patient_id: str
    phases: Mapping[str, Mapping[Kind, Entry]] = field(default_factory=dict)
    comment: str = ""
    is_done: bool = False
    active_s: float = 0.0
    conflicts: tuple[Conflict, ...] = ()
    undo: str = ""
    redo: str = ""

    def value(self, phase: str, kind: Kind | str) -> str:
        """Return the value of a label; empty if there is none.

        Args:
            phase: The phase.
            kind: One of ``point``, ``box``, ``slice`` and ``mask``.
        """
        entry = self.phases.get(phase, {}).get(Kind(kind))
        return entry.value if entry else ""

    def state(self, phase: str) -> str:
        """Return ``none`` (no tumour), ``unusable`` (cannot be judged), or nothing, for a phase.

        What was said or drawn last counts. What was said about the patient as a whole counts for phases of which
        nothing was said.

        Args:
            phase: The phase.
        """
        own = self.phases.get(phase, {})
        given = own or self.phases.get("", {})
        said = [(entry.at, kind) for kind, entry in given.items() if entry.origin is not Origin.CARRIED]
        last = max(said)[1] if said else None
        return last.value if last in STATES else ""


def replay(entries: Iterable[Entry]) -> dict[str, PatientLabels]:
    """Replay the entries of one journal.

    Undo takes back the last change of the patient (of the phase, if it names one) that is still there, or the one whose
    id is its value; redo restores what was taken back last, as long as nothing has been changed since. Of two entries
    that do not know of each other, the later counts.

    Args:
        entries: In the order of the journal.

    Returns:
        The labels by patient, in the order in which the patients occur.

    >>> from nephrograde.annotations.entry import read_entry
    >>> given = {"patient_id": "P1", "phase": "cmp", "kind": "slice"}
    >>> first = read_entry({**given, "id": "1" * 32, "value": "-10 mm"}, reader="li")
    >>> second = read_entry({**given, "id": "2" * 32, "value": "-15 mm", "follows": first.id}, reader="li")
    >>> undo = read_entry({**given, "id": "3" * 32, "kind": "undo"}, reader="li")
    >>> [replay(seen)["P1"].value("cmp", "slice") for seen in ([first, second], [first, second, undo])]
    ['-15 mm', '-10 mm']
    """
    of_patient: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        of_patient[entry.patient_id].append(entry)
    return {patient: _labels(patient, own) for patient, own in of_patient.items()}


def phases_of(labels: Iterable[PatientLabels], first: Iterable[str] = ()) -> list[str]:
    """List the phases on which anything was drawn, after those that are given.

    Args:
        labels: The labels of patients.
        first: Phases that are listed in any case.
    """
    found = (phase for one in labels for phase in one.phases if phase)
    return list(dict.fromkeys([*first, *found]))


def result_columns(phases: Iterable[str]) -> list[str]:
    """The columns of the table of labels.

    Args:
        phases: The phases.

    >>> result_columns(["np"])
    ['patient_id', 'np_point', 'np_box', 'np_slice', 'np_mask', 'np_state', 'comment', 'seconds']
    """
    kinds = [*(kind.value for kind in LABELS), "state"]
    return ["patient_id", *(f"{phase}_{kind}" for phase in phases for kind in kinds), "comment", "seconds"]


def write_result(
    result_path: Path, labels: Mapping[str, PatientLabels], *, phases: Sequence[str] = (), masks_dir: Path
) -> None:
    """Write the table of labels as a whole: one row per patient, with the columns of a cohort table.

    A mask is given by its path from the folder of the table.

    Args:
        result_path: The table, ``<reader>.csv``.
        labels: What :func:`replay` returns.
        phases: Phases that have columns in any case.
        masks_dir: The folder of the masks.

    Raises:
        WriteError: It cannot be written; the earlier one is still there.
    """
    shown = phases_of(labels.values(), phases)
    rows = []
    for patient in labels.values():
        row: dict[str, object] = {"patient_id": patient.patient_id}
        for phase in shown:
            row |= {f"{phase}_{kind.value}": patient.value(phase, kind) for kind in LABELS}
            if mask := patient.value(phase, Kind.MASK):
                row[f"{phase}_mask"] = f"{masks_dir.name}/{mask}"
            row[f"{phase}_state"] = patient.state(phase)
        rows.append(row | {"comment": patient.comment, "seconds": f"{patient.active_s:.1f}"})
    write_rows(result_path, result_columns(shown), rows)


def _labels(patient_id: str, entries: Sequence[Entry]) -> PatientLabels:
    changes = {entry.id: entry for entry in entries if entry.kind.is_change}
    undone = _Undone()
    for entry in entries:
        undone.see(entry, changes)
    counting = [entry for entry in changes.values() if entry.id not in undone.ids]
    covered = _covered(changes, counting)
    heads: dict[tuple[str, Kind], list[Entry]] = defaultdict(list)
    for entry in counting:
        if entry.id not in covered:
            heads[entry.phase, entry.kind].append(entry)
    phases: dict[str, dict[Kind, Entry]] = {}
    conflicts = []
    comments = []
    is_done = False
    for (phase, kind), same in heads.items():
        entry = max(reversed(same), key=lambda one: one.at)  # of equals, the last in the journal
        if len({one.value for one in same}) > 1:
            conflicts.append(Conflict(phase, kind, entry, tuple(one for one in same if one is not entry)))
        if kind is Kind.COMMENT:
            comments += [entry.value] if entry.value else []
        elif kind is Kind.DONE:
            is_done = bool(entry.value)
        elif entry.value:
            phases.setdefault(phase, {})[kind] = entry
    return PatientLabels(
        patient_id=patient_id,
        phases=phases,
        comment="\n".join(comments),
        is_done=is_done,
        active_s=sum(entry.active_s for entry in entries),
        conflicts=tuple(conflicts),
        undo=undone.next_undo(changes),
        redo=undone.redoable[-1] if undone.redoable else "",
    )


class _Undone:
    """Which changes of a patient are taken back at the moment, and which of them a redo would restore."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.redoable: list[str] = []
        self.seen: list[str] = []

    def see(self, entry: Entry, changes: Mapping[str, Entry]) -> None:
        """Take in the next entry of the journal."""
        if entry.kind.is_change:
            self.seen.append(entry.id)
            self.redoable.clear()
            return
        if entry.kind is Kind.UNDO:
            candidates = [one for one in self.seen if one not in self.ids]
        else:
            candidates = [one for one in self.redoable if one in self.ids]
        if entry.value:
            known = self.seen if entry.kind is Kind.UNDO else list(self.ids)
            candidates = [one for one in known if one == entry.value]
        elif entry.phase:
            candidates = [one for one in candidates if changes[one].phase == entry.phase]
        if not candidates:
            return
        target = candidates[-1]
        if entry.kind is Kind.UNDO and target not in self.ids:
            self.ids.add(target)
            self.redoable.append(target)
        elif entry.kind is Kind.REDO:
            self.ids.discard(target)
            if target in self.redoable:
                self.redoable.remove(target)

    def next_undo(self, changes: Mapping[str, Entry]) -> str:
        """The change that an undo without a value takes back; empty if there is none."""
        return next((one for one in reversed(list(changes)) if one not in self.ids), "")


def _covered(changes: Mapping[str, Entry], counting: Iterable[Entry]) -> set[str]:
    """Find the entries that the author of a later one had seen: those it follows, and earlier ones of its own tab."""
    before: dict[str, list[str]] = {}
    last_of_tab: dict[tuple[object, str], str] = {}
    for entry in changes.values():
        followed = [one for one in entry.follows.split() if one in before and changes[one].key == entry.key]
        tab = (entry.key, entry.session)
        if entry.session:
            followed += [last_of_tab[tab]] if tab in last_of_tab else []
            last_of_tab[tab] = entry.id
        before[entry.id] = followed
    covered: set[str] = set()
    waiting = [earlier for entry in counting for earlier in before[entry.id]]
    while waiting:
        one = waiting.pop()
        if one not in covered:
            covered.add(one)
            waiting += before[one]
    return covered
