"""The split by patient: test patients and folds, drawn once, saved, and from then on only read.

Patients are ordered by class, by stratum and, within a stratum, by a hash of the seed and their id. Test patients are
taken from that order at even steps and the others are dealt to the folds in turn, so that every class and every stratum
is distributed to within one patient of its share. Unlike a random stream, the hash depends neither on the order of the
table's rows nor on the version of a library.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from nephrograde.errors import Problem, RunError
from nephrograde.files import write_rows
from nephrograde.sheet import clean_heading, open_sheet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from nephrograde.cohort.case import Case, Cohort
    from nephrograde.study import SplitSettings

SplitName: TypeAlias = Literal["train", "test"]
CLASS_WORDS = {False: "low (grade 1–2, or outcome 0)", True: "high (grade 3–4, or outcome 1)"}
"""Names of the two classes in messages, by ``is_high``."""
_MOST_DIGITS = 4
"""Digits of a fold's number; no study has ten thousand folds."""
_HEADINGS = ("patient_id", "split", "fold")
_NAMED = 10  # patients named in one message


@dataclass(frozen=True, slots=True)
class Assignment:
    """The assignment of one patient: the test set, or a fold (from 0) of the training set."""

    split: SplitName
    fold: int | None


@dataclass(frozen=True, slots=True)
class Split:
    """The assignment of every patient, ordered by id, and the training patients that no model learns from.

    ``idle`` patients are scored like the others of their fold; a learning curve needs some.

    >>> split = Split({"P1": Assignment("train", 0), "P2": Assignment("test", None), "P3": Assignment("train", 1)})
    >>> split.train_ids(), split.test_ids(), split.fold_ids(1), split.folds
    (('P1', 'P3'), ('P2',), ('P3',), 2)
    """

    assignments: Mapping[str, Assignment]
    idle: frozenset[str] = frozenset()

    @property
    def folds(self) -> int:
        """The number of folds."""
        return 1 + max((place.fold for place in self.assignments.values() if place.fold is not None), default=-1)

    def train_ids(self) -> tuple[str, ...]:
        """The patients of all folds."""
        return tuple(patient for patient, place in self.assignments.items() if place.split == "train")

    def test_ids(self) -> tuple[str, ...]:
        """The patients that no network learns from."""
        return tuple(patient for patient, place in self.assignments.items() if place.split == "test")

    def fold_ids(self, fold: int) -> tuple[str, ...]:
        """The patients of one fold, counted from 0."""
        return tuple(patient for patient, place in self.assignments.items() if place.fold == fold)

    def learning_ids(self, fold: int) -> tuple[str, ...]:
        """The patients that the model of a fold learns from: those of the other folds, except idle ones."""
        return tuple(
            patient
            for patient, place in self.assignments.items()
            if place.split == "train" and place.fold != fold and patient not in self.idle
        )


def split_problems(
    is_high: Mapping[str, bool], settings: SplitSettings, split_column: Mapping[str, str] | None = None
) -> list[Problem]:
    """List the problems that prevent a split with both classes in the test set and in every fold.

    Args:
        is_high: The class of every patient.
        settings: The ``[split]`` section.
        split_column: ``train`` or ``test`` per patient, if the table predefines them.

    Returns:
        The problems; none if the split can be drawn.

    >>> from nephrograde.study import SplitSettings
    >>> for problem in split_problems({"P1": True, "P2": True, "P3": False, "P4": False}, SplitSettings()):
    ...     print(problem.place, "|", problem.what)
    split.test_fraction | 0.3 of 4 patients is 1 test patient, so one class is missing from the test set
    split.folds | only 1 patient left for training is low (grade 1–2, or outcome 0), but 5 folds are requested
    """
    counts = (sum(not high for high in is_high.values()), sum(is_high.values()))
    for high in (False, True):
        if counts[high] == 0:
            what = f"of {len(is_high)} patients none is {CLASS_WORDS[high]}"
            return [Problem("cohort.outcome", what, "Both classes are needed; check the outcome column.")]
    tests = count_tested(is_high, settings, split_column)
    problems = [] if min(tests) else [_no_test_problem(tests, counts, settings, split_column)]
    kept = {high: counts[high] - tests[high] for high in (False, True)}
    rarer = min(kept, key=lambda high: kept[high])
    if kept[rarer] < settings.folds:
        is_or_are = "patient left for training is" if kept[rarer] == 1 else "patients left for training are"
        what = f"only {kept[rarer]} {is_or_are} {CLASS_WORDS[rarer]}, but {settings.folds} folds are requested"
        fewer = f"Set split.folds to at most {kept[rarer]}, or add" if kept[rarer] > 1 else "Add"
        problems.append(Problem("split.folds", what, f"{fewer} patients of that class."))
    return problems


def draw_split(cohort: Cohort, settings: SplitSettings) -> Split:
    """Draw the test set and the folds, stratified by the outcome and by ``split.stratify``.

    Within the strata, patients are also balanced by the phases they have. If the table names the test patients, only
    the folds are drawn. The size of a random test set is ``round(test_fraction · n)``: 300 patients give 210 and 90.

    Args:
        cohort: The patients; the order of the table's rows does not matter.
        settings: The ``[split]`` section.

    Returns:
        Every patient's assignment. Folds differ by at most one patient, overall and in each class.

    Raises:
        RunError: If the test set or a fold would lack a class, or a column to stratify by is missing.

    Source:
        The paper for the ratio of 7:3.

    >>> from nephrograde.cohort.case import Case, Cohort
    >>> from nephrograde.study import SplitSettings
    >>> cases = tuple(Case(f"P{i:03}", i % 2 == 0, None, {}, {}) for i in range(300))
    >>> split = draw_split(Cohort(cases, (), (), None), SplitSettings())
    >>> len(split.train_ids()), len(split.test_ids()), [len(split.fold_ids(fold)) for fold in range(5)]
    (210, 90, [42, 42, 42, 42, 42])
    """
    is_high = {case.patient_id: case.is_high for case in cohort.cases}
    problems = split_problems(is_high, settings, cohort.split_column)
    for column in settings.stratify:
        if clean_heading(column) not in cohort.clinical_columns:
            problems.append(Problem("split.stratify", f"the cohort has no column '{column}'", "Correct the name."))
    if problems:
        raise RunError("\n".join(["The split cannot be drawn.", *map(str, problems)]))
    ranked = ranked_by_class(cohort, settings, salt=f"split:{settings.seed}")
    if cohort.split_column is None:
        counts = count_tested(is_high, settings, None)
        tests = {patient for high in (False, True) for patient in _at_even_steps(ranked[high], counts[high], settings)}
    else:
        tests = {patient for patient, name in cohort.split_column.items() if name == "test"}
    train = [patient for high in (False, True) for patient in ranked[high] if patient not in tests]
    places = {patient: Assignment("train", position % settings.folds) for position, patient in enumerate(train)}
    return Split({patient: places.get(patient, Assignment("test", None)) for patient in sorted(is_high)})


def ranked_by_class(cohort: Cohort, settings: SplitSettings, *, salt: str) -> dict[bool, list[str]]:
    """Order the patients of each class by stratum, by the phases they have, and by a hash of their id.

    Args:
        cohort: The patients.
        settings: The ``[split]`` section, which names the columns to stratify by.
        salt: Another salt gives another order within a stratum.
    """
    key = hash_of(salt)

    def rank(case: Case) -> tuple[object, ...]:
        strata = [str(case.clinical.get(clean_heading(column), "")) for column in settings.stratify]
        return (strata, [phase in case.scans for phase in cohort.phases], key(case.patient_id))

    ranked = sorted(cohort.cases, key=rank)
    return {high: [case.patient_id for case in ranked if case.is_high == high] for high in (False, True)}


def hash_of(salt: str) -> Callable[[str], str]:
    """Return a function that gives a patient id its place in an order that depends on nothing but the salt.

    Args:
        salt: What the order is for, with the seed.
    """
    return lambda patient: hashlib.sha256(f"{salt}:{patient}".encode()).hexdigest()


def inner_split(
    ids: Iterable[str], is_high: Mapping[str, bool], *, fraction: float, seed: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Hold out some training patients, stratified by class, for early stopping.

    Args:
        ids: The training patients of one fold.
        is_high: The class of each of them.
        fraction: The fraction to hold out; at least one patient of each class that has two.
        seed: The seed of ``[fit]``.

    Returns:
        The patients to learn from and the held-out patients, both ordered by id. The only patient of a class is used
        for learning.

    Raises:
        RunError: If there are too few patients to hold any out.

    >>> is_high = {patient: patient in "abcd" for patient in "abcdefgh"}
    >>> learn, stop = inner_split("abcdefgh", is_high, fraction=0.25, seed=1)
    >>> len(learn), sorted(is_high[patient] for patient in stop)
    (6, [False, True])
    """
    patients = sorted(set(ids))
    ranked = {
        high: sorted((patient for patient in patients if is_high[patient] == high), key=hash_of(f"inner:{seed}"))
        for high in (False, True)
    }
    counts = (len(ranked[False]), len(ranked[True]))
    total = max(round(fraction * len(patients)), sum(count > 1 for count in counts))
    shares = _share(counts, total, keep=1) if patients else (0, 0)
    stop = {
        patient for high in (False, True) for patient in ranked[high][: min(shares[high], max(counts[high] - 1, 0))]
    }
    if not stop:
        raise RunError(
            f"{len(patients)} training patients are too few to hold some out for early stopping. "
            "Add patients, or set fit.patience = 0."
        )
    return tuple(patient for patient in patients if patient not in stop), tuple(sorted(stop))


def check_disjoint(groups: Mapping[str, Iterable[str]]) -> None:
    """Make sure that no patient is in two groups: the guard against a split by image instead of by patient.

    Image-level leakage is the most common flaw of published imaging studies.

    Args:
        groups: The patient ids of each group by name; an id may repeat within a group, for example once per slice.

    Raises:
        RunError: If a patient is in two groups; the message names such patients.

    >>> check_disjoint({"learn": ["P1", "P1"], "test": ["P2"]})
    >>> check_disjoint({"learn": ["P1", "P2"], "test": ["P2"]})
    Traceback (most recent call last):
    ...
    nephrograde.errors.RunError: Patient P2 is in learn and in test. Split by patient, never by image or slice.
    """
    group_of: dict[str, str] = {}
    for name, ids in groups.items():
        members = set(ids)
        twice = sorted(patient for patient in members if patient in group_of)
        if twice:
            named = ", ".join(twice[:_NAMED]) + (f" and {len(twice) - _NAMED} more" if len(twice) > _NAMED else "")
            others = " or ".join(dict.fromkeys(group_of[patient] for patient in twice))
            who = f"Patient {named} is" if len(twice) == 1 else f"Patients {named} are"
            raise RunError(f"{who} in {others} and in {name}. Split by patient, never by image or slice.")
        group_of |= dict.fromkeys(members, name)


def write_split(split: Split, split_path: Path) -> None:
    """Write ``split.csv``: patient_id, split, fold (empty for a test patient).

    Args:
        split: The split.
        split_path: The file to write.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     split = Split({"P1": Assignment("test", None), "P2": Assignment("train", 0)})
    ...     write_split(split, Path(folder, "split.csv"))
    ...     Path(folder, "split.csv").read_text(encoding="utf-8").split()
    ['patient_id,split,fold', 'P1,test,', 'P2,train,0']
    """
    rows = (
        {"patient_id": patient, "split": place.split, "fold": place.fold}
        for patient, place in split.assignments.items()
    )
    write_rows(split_path, _HEADINGS, rows)


def read_split(split_path: Path) -> Split:
    """Read ``split.csv``, as written or as edited by a person.

    Args:
        split_path: The file.

    Returns:
        The split.

    Raises:
        RunError: If the file is missing or is not a valid split: a wrong word, a test patient in a fold, a training
            patient in no fold, a patient listed twice, an empty fold.

    See ``write_split`` for an example.
    """
    sheet, problems = open_sheet(split_path)
    if sheet is None or problems:
        raise RunError(f"{problems[0]} The split is drawn by `nephrograde prepare`.")
    missing = [heading for heading in _HEADINGS if heading not in sheet.headings]
    if missing:
        what = f"has no column {', '.join(missing)}"
        raise RunError(f"{split_path} {what}. Restore the file, or delete it to draw a new split.")
    assignments: dict[str, Assignment] = {}
    for number, row in sheet.rows:
        patient = row["patient_id"]
        place = _as_assignment(row["split"], row["fold"])
        if not patient or patient in assignments or place is None:
            reason = "has no patient_id" if not patient else f"patient {patient} is listed twice"
            if place is None:
                reason = f"split '{row['split']}' with fold '{row['fold']}' is neither test nor train with a fold"
            raise RunError(f"{split_path} row {number}: {reason}. Restore the file, or delete it to draw a new split.")
        assignments[patient] = place
    split = Split(assignments)
    empty = [str(fold) for fold in range(split.folds) if not split.fold_ids(fold)]
    if empty or split.folds < 2:
        reason = f"fold {', '.join(empty)} is empty" if empty else "there are fewer than two folds"
        raise RunError(f"{split_path}: {reason}. Restore the file, or delete it to draw a new split.")
    return split


def _as_assignment(split: str, fold: str) -> Assignment | None:
    if split == "test" and not fold:
        return Assignment("test", None)
    if split == "train" and fold.isascii() and fold.isdigit() and len(fold) <= _MOST_DIGITS:
        return Assignment("train", int(fold))
    return None


def count_tested(
    is_high: Mapping[str, bool], settings: SplitSettings, split_column: Mapping[str, str] | None
) -> tuple[int, int]:
    """Count the test patients that are low, and that are high.

    Args:
        is_high: The class of every patient.
        settings: The ``[split]`` section.
        split_column: ``train`` or ``test`` per patient, if the table predefines them.

    >>> from nephrograde.study import SplitSettings
    >>> count_tested({f"P{k}": k < 8 for k in range(20)}, SplitSettings(), None)
    (4, 2)
    """
    if split_column is not None:
        tests = [is_high[patient] for patient, name in split_column.items() if name == "test"]
        return (tests.count(False), tests.count(True))
    n_high = sum(is_high.values())
    total = round(settings.test_fraction * len(is_high))
    return _share((len(is_high) - n_high, n_high), total, keep=settings.folds)


def _no_test_problem(
    tests: tuple[int, int], counts: tuple[int, int], settings: SplitSettings, split_column: Mapping[str, str] | None
) -> Problem:
    if split_column is not None:
        missing = CLASS_WORDS[tests[True] == 0]
        what = f"of {sum(tests)} test patients none is {missing}"
        return Problem("split.column", what, "Both classes are needed in the test set.")
    total = f"{sum(tests)} test patient{'s' * (sum(tests) != 1)}"
    what = f"{settings.test_fraction:g} of {sum(counts)} patients is {total}, so one class is missing from the test set"
    return Problem("split.test_fraction", what, "Raise it, or add patients.")


def _share(counts: tuple[int, int], total: int, *, keep: int) -> tuple[int, int]:
    """Divide ``total`` between the classes in proportion, so that each class gives one patient and keeps ``keep``.

    If that is impossible, the result is as close to proportional as possible.
    """
    n_low, n_high = counts
    exact = total * n_high / (n_low + n_high)
    choices = sorted({math.floor(exact), math.ceil(exact)}, key=lambda high: (abs(high - exact), high))
    for high in choices:
        if 1 <= high <= n_high - keep and 1 <= total - high <= n_low - keep:
            return (total - high, high)
    return (total - choices[0], choices[0])


def _at_even_steps(patients: list[str], count: int, settings: SplitSettings) -> list[str]:
    """Sample systematically: any run of patients contributes its share to within one patient."""
    start = int(hash_of(f"start:{settings.seed}")("")[:8], 16) / 16**8
    return [patients[math.floor((step + start) * len(patients) / count)] for step in range(count)]
