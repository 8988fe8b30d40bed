"""A cohort table that is in the folder already: what a study of it says about phases, headings and grades."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nephrograde.cohort.columns import CLINICAL_NUMBERS
from nephrograde.cohort.grade import read_grade
from nephrograde.cohort.headings import plain_heading, standard_headings
from nephrograde.cohort.scanned import SCANNED
from nephrograde.cohort.table import is_marked_synthetic
from nephrograde.errors import InputError, Problem
from nephrograde.sheet import is_nothing, open_sheet
from nephrograde.sources.found_labels import FoundLabels, find_labels, with_labels
from nephrograde.study import NAME_PATTERN, CohortSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from nephrograde.sheet import Sheet

_STANDARD = ("patient_id", "isup_grade")
_ANNOTATIONS = ("mask", "box", "point", "slice")
"""From the costliest to the cheapest; each can be derived from those before it."""
_CLINICAL: Final[dict[str, tuple[str, ...]]] = {
    "age_years": ("ageyears", "age", "patientage", "年龄", "年龄岁", "年齡", "alter", "wiek"),
    "sex": ("sex", "gender", "性别", "性別", "geschlecht", "plec"),
    "size_cm": ("sizecm", "tumorsizecm", "tumoursizecm", "最大径cm", "肿瘤最大径cm", "肿瘤大小cm", "肿瘤直径cm"),
    "centre": ("centre", "center", "hospital", "institution", "医院", "中心", "醫院"),
}
"""Headings of the standard clinical columns, as :func:`plain_heading` reduces them; a size only where it names cm."""
_PHASES_IN_CHINESE: Final = {
    **dict.fromkeys(("平扫", "平扫期"), "up"),
    **dict.fromkeys(("皮髓质期", "皮髓期", "皮质期"), "cmp"),
    **dict.fromkeys(("肾实质期", "实质期"), "np"),
    **dict.fromkeys(("排泄期", "肾盂期"), "ep"),
}
_KINDS_IN_CHINESE: Final = {
    **dict.fromkeys(("图像", "影像", "图片"), "image"),
    **dict.fromkeys(("掩膜", "掩码", "分割", "勾画"), "mask"),
    "框": "box",
    "点": "point",
    "层面": "slice",
    "状态": "state",
}
_PHASE_HEADING = re.compile(
    r"([A-Za-z][\w-]*?)[ _-]+(image|mask|box|point|slice|state)"
    rf"|([A-Za-z][A-Za-z0-9-]*|{'|'.join(_PHASES_IN_CHINESE)})[ _-]*({'|'.join(_KINDS_IN_CHINESE)})",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+(\.\d+)?")
ENOUGH: Final = 5
"""Patients of the rarer grade that a phase or an arm needs; all there are, where a cohort has fewer."""
_SHOWN = 20
"""Characters of a cell that are quoted."""


@dataclass(frozen=True, slots=True)
class NotNumbers:
    """A column with the heading of a clinical number that is not read, because some cells are not numbers.

    Attributes:
        name: The standard name, such as "age_years".
        heading: That of the table.
        n_cells: Number of cells that are filled.
        n_others: Number of those that are not numbers.
        row: Of the first of them.
        cell: The first of them, shortened.
    """

    name: str
    heading: str
    n_cells: int
    n_others: int
    row: int
    cell: str


@dataclass(frozen=True, slots=True)
class FoundTable:
    """What a study file has to say about a cohort table.

    Attributes:
        table_path: The table.
        n_patients: Number of rows.
        n_images: Number of patients with an image, by phase, for every phase with an image.
        phases: The phases that enough patients of each grade have for a study; every phase where no phase has.
        columns: Standard names and the headings that stand for them.
        outcome: The standard name of the column of grades.
        has_outcome: Whether the table has a column of grades.
        n_graded: Number of patients with a grade.
        n_low: Number of them of low grade.
        n_rarer: Number of patients of the rarer grade, high or low, in that of these phases where they are fewest.
        annotations: Which of mask, box, point and slice any patient has.
        n_marked: Number of patients with an annotation of this kind, or one that it is derived from, in any phase.
        marked: By kind of annotation, the phases in which enough patients have it or one that it is derived from; the
            mask of one phase serves the others.
        split: Numbers of patients by what the column ``split`` says of them (``train``, ``test``) and by whether they
            are of high grade; None if there is no such column, or it does not name all patients.
        labels: What readers have marked beside the table; the labels of a single one, or of a consensus, are counted.
        clinical: Which of the standard clinical columns are filled for any patient.
        not_numbers: Columns that would be among them if all their cells were numbers.
        is_synthetic: Whether a column ``synthetic`` says so of every patient.
        notes: In which encoding or from which sheet the table was read, if that was a choice.
    """

    table_path: Path
    n_patients: int
    n_images: Mapping[str, int]
    phases: tuple[str, ...]
    columns: Mapping[str, str]
    outcome: str
    has_outcome: bool
    n_graded: int
    n_low: int
    n_rarer: int
    annotations: tuple[str, ...]
    n_marked: Mapping[str, int]
    marked: Mapping[str, tuple[str, ...]]
    split: Mapping[tuple[str, bool], int] | None
    labels: FoundLabels
    clinical: tuple[str, ...]
    not_numbers: tuple[NotNumbers, ...]
    is_synthetic: bool
    notes: tuple[str, ...]

    @property
    def left_out(self) -> tuple[str, ...]:
        """Phases that too few patients have."""
        return tuple(phase for phase in self.n_images if phase not in self.phases)


def find_table(study_dir: Path) -> FoundTable | None:
    """Find the cohort table of a folder: ``cohort.csv``, ``.tsv`` or ``.xlsx``, or the only one that a scan wrote.

    If there is none, it is the only table of the folder that names images. Headings such as ``CMP Image`` or
    皮髓质期图像 are taken for ``cmp_image``, and named in ``columns``.

    Args:
        study_dir: The folder; may be missing.

    Returns:
        The table; None if there is none.

    Raises:
        InputError: The table cannot be read, or names no images; or there are several.

    >>> import pathlib, tempfile
    >>> study_dir = pathlib.Path(tempfile.mkdtemp())
    >>> rows = [f"P{k},{k % 4 + 1},{k}.nii.gz,{k}.nii.gz" for k in range(20)]
    >>> lines = ["patient_id,核分级,up_image,cmp_image", *rows, "P20,3,,20.nii.gz"]
    >>> _ = (study_dir / "cohort.csv").write_text(chr(10).join(lines), encoding="utf-8")
    >>> found = find_table(study_dir)
    >>> found.phases, dict(found.n_images), dict(found.columns), found.n_graded
    (('cmp', 'up'), {'cmp': 21, 'up': 20}, {'isup_grade': '核分级'}, 21)
    """
    table_path = _table_path(study_dir)
    if table_path is None:
        return None
    sheet, problems = open_sheet(table_path)
    if sheet is not None and not sheet.rows and table_path.with_name(f"{table_path.stem}{SCANNED}").exists():
        what = "`nephrograde scan` has chosen no series of any patient"
        remedy = (
            "series.csv says why. Write their phases into a table (series_uid, phase), and scan with --corrections."
        )
        raise InputError([Problem(str(table_path), what, remedy)])
    if sheet is None or problems:
        raise InputError(problems)
    sheet, spelled = _spelled_as_standard(sheet)
    n_images = _images(sheet)
    if not n_images:
        what = f"names no image in a column <phase>_image (the table has {', '.join(sheet.headings[:20])})"
        remedy = "Rename its columns of images, such as cmp_image, or move it away to get a template."
        raise InputError([Problem(str(table_path), what, remedy)])
    heading_of = standard_headings(sheet.headings)
    id_heading = heading_of.get("patient_id")
    labels = find_labels(table_path, {cells[id_heading] for _, cells in sheet.rows} if id_heading else ())
    if id_heading:
        sheet = with_labels(sheet, labels.by_patient, id_heading)
    clinical, not_numbers = _clinical(sheet)
    named = {name: heading_of.get(name, name) for name in _STANDARD} | clinical
    outcome, heading = _outcome(sheet, heading_of)
    grades = {number: read_grade(cells.get(heading, "")) for number, cells in sheet.rows}
    known = [grade for grade in grades.values() if grade is not None]
    phases = tuple(phase for phase in n_images if _is_enough(_given(sheet, f"{phase}_image"), grades))
    phases = phases or tuple(n_images)
    marked_rows = {kind: _marked_rows(sheet, kind, n_images) for kind in _ANNOTATIONS}
    return FoundTable(
        table_path=table_path,
        n_patients=len(sheet.rows),
        n_images=n_images,
        phases=phases,
        columns={name: heading for name, heading in named.items() if heading != name} | spelled,
        outcome=outcome,
        has_outcome=bool(heading),
        n_graded=len(known),
        n_low=sum(grade < 3 for grade in known),
        n_rarer=min(_rarer(_given(sheet, f"{phase}_image"), grades) for phase in phases),
        annotations=tuple(kind for kind in _ANNOTATIONS if any(_given(sheet, f"{p}_{kind}") for p in n_images)),
        n_marked={kind: len(set().union(*of.values())) for kind, of in marked_rows.items()},
        marked={
            kind: tuple(phase for phase in phases if of[phase] and _is_enough(sorted(of[phase]), grades))
            for kind, of in marked_rows.items()
        },
        split=_named_split(sheet, grades),
        labels=labels,
        clinical=tuple(clinical),
        not_numbers=not_numbers,
        is_synthetic=is_marked_synthetic(sheet),
        notes=sheet.notes(),
    )


def _table_path(study_dir: Path) -> Path | None:
    """The only cohort table of a folder; None if there is none."""
    paths = [
        path for ending in ("csv", "tsv", "xlsx", "xls", "ods") if (path := study_dir / f"cohort.{ending}").exists()
    ]
    paths = paths or sorted(_scanned(study_dir)) or [path for path in _tables(study_dir) if _names_images(path)]
    if len(paths) > 1:
        listed = ", ".join(path.name for path in paths)
        raise InputError([Problem(str(study_dir), f"has several cohort tables: {listed}", "Keep one of them there.")])
    return paths[0] if paths else None


def tables_without_images(study_dir: Path) -> tuple[Path, ...]:
    """Return the tables of a folder none of whose headings names images.

    Args:
        study_dir: The folder; may be missing.
    """
    return tuple(path for path in _tables(study_dir) if not _names_images(path))


def _scanned(study_dir: Path) -> Iterator[Path]:
    for state_path in study_dir.glob(f"*{SCANNED}"):
        table_path = state_path.with_name(f"{state_path.name.removesuffix(SCANNED)}.csv")
        if table_path.exists():
            yield table_path


def _tables(study_dir: Path) -> list[Path]:
    """The tables of a folder, in the order of their names."""
    endings = {".csv", ".tsv", ".xlsx"}
    return sorted(path for path in study_dir.glob("*") if path.suffix.lower() in endings and path.is_file())


def _names_images(table_path: Path) -> bool:
    sheet, _ = open_sheet(table_path)
    return sheet is not None and bool(_images(_spelled_as_standard(sheet)[0]))


def _phase_and_kind(heading: str) -> tuple[str, str] | None:
    """The phase and what is given of it, of a heading such as ``CMP Image``, ``皮髓质期图像`` or ``cmp_掩膜``."""
    found = _PHASE_HEADING.fullmatch(heading)
    if found is None:
        return None
    phase, kind = (found[1] or found[3]).lower(), (found[2] or found[4]).lower()
    return _PHASES_IN_CHINESE.get(phase, phase), _KINDS_IN_CHINESE.get(kind, kind)


def _spelled_as_standard(sheet: Sheet) -> tuple[Sheet, dict[str, str]]:
    """The table with headings such as ``CMP Image`` as ``cmp_image``; and those headings, by their standard names."""
    parts = {heading: found for heading in sheet.headings if (found := _phase_and_kind(heading)) is not None}
    phases = {phase for phase, kind in parts.values() if kind == "image"}
    spelled: dict[str, str] = {}
    for heading, (phase, kind) in parts.items():
        name = f"{phase}_{kind}"
        if phase in phases and name not in sheet.headings and name not in spelled:
            spelled[name] = heading
    name_of = {heading: name for name, heading in spelled.items()}
    headings = tuple(name_of.get(heading, heading) for heading in sheet.headings)
    rows = tuple((number, {name_of.get(key, key): cell for key, cell in cells.items()}) for number, cells in sheet.rows)
    return dataclasses.replace(sheet, headings=headings, rows=rows), spelled


def _images(sheet: Sheet) -> dict[str, int]:
    """Count the patients with an image, by phase: the phases that a template knows first, in its order."""
    present = [heading.removesuffix("_image") for heading in sheet.headings if heading.endswith("_image")]
    usual: tuple[str, ...] = CohortSettings.model_fields["phases"].default
    ordered = [*(phase for phase in usual if phase in present), *(phase for phase in present if phase not in usual)]
    counts = {phase: len(_given(sheet, f"{phase}_image")) for phase in ordered if re.fullmatch(NAME_PATTERN, phase)}
    return {phase: count for phase, count in counts.items() if count}


def _given(sheet: Sheet, heading: str) -> list[int]:
    """The numbers of the rows in which a cell is filled."""
    return [number for number, cells in sheet.rows if not is_nothing(cells.get(heading, ""))]


def _clinical(sheet: Sheet) -> tuple[dict[str, str], tuple[NotNumbers, ...]]:
    """The headings of the clinical columns, by their standard names; a number that is not one is no age or size."""
    found: dict[str, str] = {}
    not_numbers = []
    for name, known in _CLINICAL.items():
        alike = [heading for heading in sheet.headings if heading == name or plain_heading(heading) in known]
        alike = [name] if name in alike else alike
        if len(alike) != 1:
            continue
        heading = alike[0]
        cells = {number: cells[heading] for number, cells in sheet.rows if not is_nothing(cells[heading])}
        others = {
            number: cell for number, cell in cells.items() if not _NUMBER.fullmatch(unicodedata.normalize("NFKC", cell))
        }
        if name in CLINICAL_NUMBERS and others and heading != name:
            row, cell = next(iter(others.items()))
            shown = " ".join(cell.split())[:_SHOWN]
            not_numbers.append(NotNumbers(name, heading, len(cells), len(others), row, shown))
        elif cells:
            found[name] = heading
    return found, tuple(not_numbers)


def _outcome(sheet: Sheet, heading_of: Mapping[str, str]) -> tuple[str, str]:
    """The standard name and the heading of the column of grades."""
    if "isup_grade" in heading_of:
        return "isup_grade", heading_of["isup_grade"]
    for heading in sheet.headings:
        cells = [cells[heading] for _, cells in sheet.rows if not is_nothing(cells[heading])]
        if "grade" in heading.casefold() and any(read_grade(cell) is not None for cell in cells):
            return heading, heading
    return "isup_grade", ""


def _is_enough(rows: Sequence[int], grades: Mapping[int, int | None]) -> bool:
    """Whether these rows have enough patients of each grade; enough patients, where no grade is known."""
    if all(grade is None for grade in grades.values()):
        return len(rows) >= min(2 * ENOUGH, len(grades))
    return _rarer(rows, grades) >= max(min(ENOUGH, _rarer(list(grades), grades)), 1)


def _marked_rows(sheet: Sheet, kind: str, phases: Iterable[str]) -> dict[str, set[int]]:
    """The rows with an image of a phase and an annotation of this kind, or one that it is derived from, by phase."""
    stronger = _ANNOTATIONS[: _ANNOTATIONS.index(kind) + 1]
    with_mask = {row for phase in phases for row in _given(sheet, f"{phase}_mask")}
    return {
        phase: set(_given(sheet, f"{phase}_image"))
        & with_mask.union(*(_given(sheet, f"{phase}_{one}") for one in stronger))
        for phase in phases
    }


def _named_split(sheet: Sheet, grades: Mapping[int, int | None]) -> dict[tuple[str, bool], int] | None:
    """Count the patients by what the column ``split`` says, and by grade; None if it does not say it of all."""
    names = {number: cells.get("split", "").casefold() for number, cells in sheet.rows}
    if set(names.values()) != {"train", "test"}:
        return None
    counts = Counter((name, grade >= 3) for number, name in names.items() if (grade := grades[number]) is not None)
    return {(name, high): counts[name, high] for name in ("train", "test") for high in (False, True)}


def _rarer(rows: Sequence[int], grades: Mapping[int, int | None]) -> int:
    """Count the patients of the rarer grade, high or low, among some rows."""
    known = [grade for number in rows if (grade := grades[number]) is not None]
    n_high = sum(grade >= 3 for grade in known)
    return min(n_high, len(known) - n_high)
