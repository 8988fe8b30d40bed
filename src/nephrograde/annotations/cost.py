"""What annotations cost: the seconds of activity that a label of each kind took, and those of a whole patient."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.annotations.entry import LABELS, Entry, Kind, Origin
from nephrograde.annotations.journal import Journal, readers_in
from nephrograde.annotations.state import replay
from nephrograde.cohort.annotated import is_consensus
from nephrograde.evaluation.ladder.minutes import Minutes, MinutesSource
from nephrograde.vocabulary import Supervision

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class CostRow:
    """Seconds of activity of one reader, over labels or patients.

    Attributes:
        reader: The reader.
        kind: ``point``, ``box``, ``slice`` or ``mask``; empty for everything that was done on a patient.
        per: ``label`` (of one phase, with all corrections of it) or ``patient`` (all phases together).
        n: How many labels or patients.
        median_s: The median, s.
        q1_s: The lower quartile, s.
        q3_s: The upper quartile, s.
        total_s: The sum, s.
    """

    reader: str
    kind: str
    per: str
    n: int
    median_s: float
    q1_s: float
    q3_s: float
    total_s: float


def annotation_cost(journals: Mapping[str, Iterable[Entry]]) -> list[CostRow]:
    """Sum the seconds of activity in journals by label and by patient.

    Labels that do not count in the end are left out, as are those that were only carried over from another phase: they
    cost nothing. Comments, states, undo and redo are in the rows for whole patients only.

    Args:
        journals: The entries by reader.

    Returns:
        Rows per label and per patient for every kind that a reader has drawn, then one for whole patients.

    >>> from nephrograde.annotations.entry import read_entry
    >>> given = {"patient_id": "P1", "phase": "np", "kind": "point"}
    >>> entries = [
    ...     read_entry({**given, "id": str(k) * 32, "value": f"{k},0,0 mm", "active_s": 2.0}, reader="li")
    ...     for k in (1, 2)
    ... ]
    >>> [(row.kind, row.per, row.n, row.median_s) for row in annotation_cost({"li": entries})]
    [('point', 'label', 1, 4.0), ('point', 'patient', 1, 4.0), ('', 'patient', 1, 4.0)]
    """
    return [row for reader, entries in journals.items() for row in _of_reader(reader, list(entries))]


def measured_minutes(annotations: Path | None) -> dict[Supervision, Minutes]:
    """Measure the minutes per patient of every kind of label in the journals of all readers of a folder.

    It is the mean over patients and readers, of which the working time of a cohort is a multiple. All phases of a
    patient count together.

    Args:
        annotations: The folder of annotations, or the table of a reader in it; None if a study has none.

    Returns:
        The minutes by level; levels of which no label was drawn are missing.

    Raises:
        InputError: A journal has damaged lines.
        RunError: A journal cannot be read.

    >>> measured_minutes(None)
    {}
    """
    if annotations is None:
        return {}
    folder = annotations if annotations.is_dir() else annotations.parent
    readers = [reader for reader in readers_in(folder) if not is_consensus(reader)]
    cost = annotation_cost({reader: Journal(folder, reader).entries() for reader in readers})
    found = {}
    for kind in LABELS:
        rows = [row for row in cost if row.per == "patient" and row.kind == kind.value]
        n, total_s = sum(row.n for row in rows), sum(row.total_s for row in rows)
        if total_s > 0.0:
            found[Supervision(kind.value)] = Minutes(total_s / n / 60.0, MinutesSource.MEASURED, n)
    return found


def _of_reader(reader: str, entries: Sequence[Entry]) -> list[CostRow]:
    seconds: dict[tuple[str, str, Kind], float] = defaultdict(float)
    of_patient: dict[str, float] = defaultdict(float)
    for entry in entries:
        seconds[entry.key] += entry.active_s
        of_patient[entry.patient_id] += entry.active_s
    drawn = {entry.key for entry in entries if entry.origin is not Origin.CARRIED}
    counting = {
        (patient, phase, kind)
        for patient, labels in replay(entries).items()
        for phase, own in labels.phases.items()
        for kind, entry in own.items()
        if not entry.is_refusal
    }
    rows = []
    for kind in LABELS:
        keys = [key for key in seconds if key[2] is kind and key in counting and key in drawn]
        sums: dict[str, float] = defaultdict(float)
        for key in keys:
            sums[key[0]] += seconds[key]
        rows += _row(reader, kind.value, "label", [seconds[key] for key in keys])
        rows += _row(reader, kind.value, "patient", list(sums.values()))
    return [*rows, *_row(reader, "", "patient", list(of_patient.values()))]


def _row(reader: str, kind: str, per: str, seconds: Sequence[float]) -> list[CostRow]:
    if not seconds:
        return []
    q1, median, q3 = (float(value) for value in np.quantile(seconds, (0.25, 0.5, 0.75)))
    return [CostRow(reader, kind, per, len(seconds), median, q1, q3, float(sum(seconds)))]
