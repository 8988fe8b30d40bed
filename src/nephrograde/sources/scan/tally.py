"""What a scan collects patient by patient, and the summary shown at the end."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nephrograde.cohort.ids import compared_id, similar_forms
from nephrograde.sheet import is_nothing
from nephrograde.sources.identity.people import People
from nephrograde.sources.identity.spelling import fold
from nephrograde.sources.identity.words import is_placeholder
from nephrograde.sources.scan.carried import is_place, is_revealing, names_patient
from nephrograde.sources.scan.choose import is_contradicted
from nephrograde.sources.scan.joined import cell_notes, column_notes, first_of
from nephrograde.sources.scan.lists import link_mask
from nephrograde.sources.scan.mask_files import find_mask
from nephrograde.sources.scan.masks import is_mask
from nephrograde.sources.scan.tables import cohort_row, series_entry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from nephrograde.sources.identity.identity import Identity
    from nephrograde.sources.scan.catalogue import Skipped
    from nephrograde.sources.scan.choose import Choice
    from nephrograde.sources.scan.grades import Grades
    from nephrograde.sources.scan.paths import ScanPaths
    from nephrograde.sources.scan.pseudonyms import Person
    from nephrograde.volume.dicom.header import SeriesHeader
    from nephrograde.volume.series_table import SeriesEntry


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What a scan found and wrote.

    Attributes:
        table_path: The cohort table.
        series_path: The table of all series.
        thumbs_dir: Pictures of the chosen series, ``<patient_id>-<phase>-axial.png`` and ``-coronal.png``.
        n_files: Number of files examined.
        n_series: Number of series found, CT or not.
        n_patients: Number of patients found.
        n_scans: Number of chosen series by phase.
        reasons: Number of series that were not chosen, by reason code, the most common first.
        n_masks: Number of chosen series with a mask, by phase.
        skipped: What was skipped. Its examples are paths, which may identify a patient.
        skipped_path: The table that lists every skipped file; None if there is none.
        notes: What the user should know, in sentences that name patients by pseudonym only.
    """

    table_path: Path
    series_path: Path
    thumbs_dir: Path
    n_files: int
    n_series: int
    n_patients: int
    n_scans: Mapping[str, int]
    reasons: Mapping[str, int]
    n_masks: Mapping[str, int] = field(default_factory=dict)
    skipped: Sequence[Skipped] = ()
    skipped_path: Path | None = None
    notes: Sequence[str] = ()

    @property
    def cohort(self) -> pd.DataFrame:
        """The cohort table as it was written, every cell as text."""
        return _as_frame(self.table_path)

    @property
    def series(self) -> pd.DataFrame:
        """The table of all series, every cell as text."""
        return _as_frame(self.series_path)

    def _repr_html_(self) -> str:
        return f"<p>{self.n_patients} patients, {self.n_series} series</p>{self.cohort.to_html(index=False)}"


@dataclass(slots=True)
class Tally:
    """The rows of both tables, and the counts.

    Attributes:
        grades: The joined table.
        people: All patients of the export, to be removed from what is written.
        paths: Where the scan writes, to link masks there; None to leave their paths as they are.
        cohort_rows: Patients with at least one chosen series.
        entries: All series.
        cells: The cells of the chosen series and masks.
    """

    grades: Grades
    people: People = field(default_factory=People)
    paths: ScanPaths | None = None
    cohort_rows: list[dict[str, str]] = field(default_factory=list)
    entries: list[SeriesEntry] = field(default_factory=list)
    cells: set[str] = field(default_factory=set)
    _scans: Counter[str] = field(default_factory=Counter)
    _masks: Counter[str] = field(default_factory=Counter)
    _reasons: Counter[str] = field(default_factory=Counter)
    _joined: dict[str, list[Person]] = field(default_factory=dict)
    _listed: dict[str, list[str]] = field(default_factory=dict)
    _emptied: dict[str, set[int]] = field(default_factory=dict)
    _named_paths: dict[str, set[int]] = field(default_factory=dict)
    _linked: dict[str, set[int]] = field(default_factory=dict)
    _missing: dict[str, set[int]] = field(default_factory=dict)
    _similar: dict[str, list[str]] = field(default_factory=dict)
    _nearly: list[tuple[str, int]] = field(default_factory=list)
    _n_patients: int = 0

    def add(self, person: Person, choices: Sequence[Choice], images: Mapping[str, str], identity: Identity) -> None:
        """Add a patient.

        Args:
            person: The patient.
            choices: All series.
            images: Table cells of the chosen series and masks, by key.
            identity: Who the patient is, to be removed from what is written.
        """
        self._n_patients += 1
        ordered = sorted(choices, key=_by_time)
        self.entries += [
            series_entry(person.patient_id, choice, lambda text: self.people.removed_from(identity.removed_from(text)))
            for choice in ordered
        ]
        self.cells |= set(images.values())
        for choice in choices:
            if choice.chosen:
                (self._masks if is_mask(choice.header) else self._scans)[choice.answer.phase] += 1
        self._reasons.update(choice.reason.code for choice in choices if not choice.chosen)
        known = self.grades.find(person.original_id)
        carried: Mapping[str, str] = {}
        if known is not None:
            self._joined.setdefault(known, []).append(person)
            carried = self._without_identity(person, known, identity)
        elif number := self.grades.row_like(person.original_id):
            self._nearly.append((person.patient_id, number))
        for form in similar_forms(person.original_id) if person.original_id else ():
            self._similar.setdefault(form, []).append(person.patient_id)
        row = cohort_row(person.patient_id, choices, images=images, carried=carried)
        if row is not None:
            self.cohort_rows.append({**dict.fromkeys(self.grades.columns, ""), **row})
        has_mask = any(choice.chosen and is_mask(choice.header) for choice in choices)
        if any(map(is_contradicted, choices)):
            self._listed.setdefault("conflict", []).append(person.patient_id)
        self._note_person(person, is_chosen=row is not None, is_joined=known is not None, has_mask=has_mask)

    def _without_identity(self, person: Person, known: str, identity: Identity) -> dict[str, str]:
        """The cells to carry over, without those that identify the patient; their rows are noted."""
        number, cells = self.grades.rows[known]
        public_id = person.original_id if person.original_id == person.patient_id else ""
        carried = dict(cells)
        for name, cell in cells.items():
            if is_place(name):
                cell = carried[name] = self._placed(name, cell, number)  # noqa: PLW2901
                if names_patient(cell, identity, self.people, public_id=public_id):
                    link = self._link(f"{person.patient_id}-{name.replace('_', '-')}", name, cell)
                    carried[name] = link or cell
                    (self._linked if link else self._named_paths).setdefault(name, set()).add(number)
            elif _is_id(cell, known, public_id) or is_revealing(name, cell, identity, self.people, public_id=public_id):
                carried[name] = ""
                self._emptied.setdefault(name, set()).add(number)
        return carried

    def _placed(self, name: str, cell: str, number: int) -> str:
        """The cell for the cohort table, whose folder may be another than that of the joined table."""
        if (
            self.paths is None
            or self.grades.table_dir is None
            or not name.endswith(("_mask", "_kidneys"))
            or is_nothing(cell)
        ):
            return cell
        found = find_mask(cell, joined_dir=self.grades.table_dir, table_dir=self.paths.table_path.parent)
        if not found.exists:
            self._missing.setdefault(name, set()).add(number)
        return found.cell

    def _link(self, stem: str, name: str, cell: str) -> str | None:
        """Link a mask under a name that does not identify the patient; None if that is impossible."""
        if self.paths is None or not name.endswith("_mask"):
            return None
        link = link_mask(self.paths, stem, cell)
        if link:
            self.cells.add(link)
        return link

    def _note_person(self, person: Person, *, is_chosen: bool, is_joined: bool, has_mask: bool) -> None:
        has_ct = any(header.modality in {"CT", ""} for header in person.headers)
        births = {header.birth_date for header in person.headers} - {""}
        told = {
            "no CT": not has_ct,
            "no series": has_ct and not is_chosen,
            "not joined": bool(self.grades.name) and not is_joined,
            "no id": not person.headers[0].patient_id,
            "shared id": person.shares_id and bool(person.headers[0].patient_id),
            "births": len(births) > 1,
            "names": len(births) < 2 and _are_several(person.headers),
            "mask": has_mask,
        }
        for what, is_so in told.items():
            if is_so:
                self._listed.setdefault(what, []).append(person.patient_id)

    def result(
        self,
        paths: ScanPaths,
        *,
        n_files: int = 0,
        skipped: Sequence[Skipped] = (),
        skipped_path: Path | None = None,
    ) -> ScanResult:
        """Summarize what was found.

        Args:
            paths: Where the tables were written.
            n_files: Number of files examined.
            skipped: What was skipped.
            skipped_path: The table that lists all of it.
        """
        return ScanResult(
            table_path=paths.table_path,
            series_path=paths.series_path,
            thumbs_dir=paths.beside("thumbs"),
            n_files=n_files,
            n_series=len(self.entries),
            n_patients=self._n_patients,
            n_scans=dict(self._scans),
            reasons=dict(self._reasons.most_common()),
            n_masks=dict(self._masks),
            skipped=tuple(skipped),
            skipped_path=skipped_path,
            notes=tuple(self._notes(paths)),
        )

    def _notes(self, paths: ScanPaths) -> list[str]:
        name = self.grades.name
        sentences = {
            "conflict": "The words and the image of a series contradict each other for {n}, first on the page: {who}.",
            "no CT": "{n} without any CT, not in the cohort table: {who}.",
            "no series": "No series could be chosen for {n}; {series} says why: {who}.",
            "not joined": "{name} has no row for {n}; their grade is empty: {who}.",
            "no id": "{n} without PatientID: each study, or all studies with one name and date of birth, "
            "count as a patient: {who}.",
            "shared id": "Several people share one PatientID and are distinguished by name and date of birth: {who}.",
            "births": "Series under one PatientID have different dates of birth. Check if they are one person: {who}.",
            "names": "Series under one PatientID have different names or sexes. Check if they are one person: {who}.",
            "mask": "A mask was found for {n}. Check that it marks the tumour, or name the tumour's label under "
            "[masks] in the study: {who}.",
        }
        notes = [
            sentence.format(n=_people(len(who)), who=first_of(who), name=name, series=paths.series_path.name)
            for what, sentence in sentences.items()
            if (who := self._listed.get(what))
        ]
        notes = [*self.grades.notes, *notes]
        for known, persons in self._joined.items():
            if len(persons) > 1 and not any(person.shares_id for person in persons):
                named = first_of([person.patient_id for person in persons])
                number = self.grades.rows[known][0]
                notes.append(
                    f"Row {number} of {name} was joined to {len(persons)} patients, whose ids differ only in letters, "
                    f"blanks or leading zeros. Check if they are one person: {named}."
                )
        notes += self._notes_on_similar_ids()
        without = sorted(number for known, (number, _) in self.grades.rows.items() if known not in self._joined)
        if without:
            rows = "1 row" if len(without) == 1 else f"{len(without)} rows"
            notes.append(f"{name} has {rows} without scans: row {first_of(map(str, without))}.")
        notes += self._notes_on_carrying(paths)
        key_path = paths.beside("key.csv")
        if key_path.exists():
            notes.append(f"{key_path.name} identifies the patients: keep it separate from everything else.")
        return notes

    def _notes_on_similar_ids(self) -> list[str]:
        """Which ids differ only in how they are written, among the patients and between them and the joined table."""
        joined = {frozenset(person.patient_id for person in persons) for persons in self._joined.values()}
        groups = dict.fromkeys(tuple(sorted(who)) for who in self._similar.values() if len(who) > 1)
        notes = [
            "The ids of these patients differ only in case, zeros or letters that look alike. Check if they are one "
            f"person: {first_of(who)}."
            for who in groups
            if frozenset(who) not in joined
        ]
        if self._nearly:
            pairs = first_of([f"{patient_id}: {number}" for patient_id, number in self._nearly])
            notes.append(
                f"{self.grades.name} lists patients who were not joined, as the id of the row differs from that of the "
                f"scans in zeros or letters that look alike (patient: row): {pairs}. Write the ids as in the scans."
            )
        return notes

    def _notes_on_carrying(self, paths: ScanPaths) -> list[str]:
        """What was not carried over from the joined table."""
        name = self.grades.name
        notes = [*column_notes(self.grades), *cell_notes(name, self._emptied)]
        for column, numbers in self._missing.items():
            notes.append(
                f"{name}: {len(numbers)} masks in {column} do not exist, looked for from the folder of the table: row "
                f"{first_of(map(str, sorted(numbers)))}. Correct the paths, or add the files."
            )
        for column, numbers in self._linked.items():
            notes.append(
                f"Masks in {column} of {name} whose paths contain a name or an id are linked in "
                f"{paths.beside('series').name}, which only you can open: row {first_of(map(str, sorted(numbers)))}."
            )
        for column, numbers in self._named_paths.items():
            notes.append(
                f"{paths.table_path.name} identifies patients, because paths in {column} of {name} contain a name or "
                f"an id: row {first_of(map(str, sorted(numbers)))}. Rename these files before you share the table."
            )
        return notes


def _is_id(cell: str, known: str, public_id: str) -> bool:
    """Whether a cell repeats the id of its row; a short number does so by coincidence."""
    return not public_id and compared_id(cell) == known and (len(cell) > 3 or not cell.isdecimal())


def _by_time(choice: Choice) -> tuple[str, str, float, str]:
    header = choice.header
    number = math.inf if header.series_number is None else header.series_number
    return header.study_date, header.study_uid, number, header.key


def _people(count: int) -> str:
    return "1 patient" if count == 1 else f"{count} patients"


def _as_frame(table_path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_csv(table_path, dtype=str, keep_default_na=False, encoding="utf-8-sig")


def _are_several(headers: Sequence[SeriesHeader]) -> bool:
    """Whether names or sexes differ, other than in how they are written, and none of them stands for one removed."""
    given = [header.patient_name for header in headers if not is_placeholder(header.patient_name)]
    names = {"".join(sorted(re.findall(r"\w+", fold(name).text))) for name in given}
    return len(names - {""}) > 1 or {"M", "F"} <= {header.sex.upper() for header in headers}
