"""A collection in the index of the Imaging Data Commons: its CT series, and the annotations drawn on them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nephrograde.errors import InputError, Problem
from nephrograde.sources.public.cohorts import Part
from nephrograde.sources.scan.choose import choose_series
from nephrograde.sources.scan.index import header_of_row
from nephrograde.volume.phase.evidence import Evidence, PhaseAnswer
from nephrograde.volume.phase.recognise import NAMED_FROM, recognise_phases
from nephrograde.volume.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nephrograde.sources.scan.choose import Choice
    from nephrograde.volume.dicom.header import SeriesHeader

_RCC_AID = re.compile(r"RCC-AID .* seg, (arterial|venous|delayed), CT series (\d+)")
_KIDNEY = re.compile(r"Pre-Dose, (LEFT|RIGHT) KIDNEY - (\d+)( - SEED POINT)?")
_READ_AS = {
    "arterial": {"up": 0.01, "cmp": 0.97, "np": 0.01, "ep": 0.01},
    "venous": {"up": 0.01, "cmp": 0.01, "np": 0.97, "ep": 0.01},
    "delayed": {"up": 0.01, "cmp": 0.01, "np": 0.49, "ep": 0.49},
}
"""Likelihood of each phase given the radiologists' label of a series; 3 % allows for errors in labels or files."""
_LATE = {"up": 0.02, "cmp": 0.02, "np": 0.80, "ep": 0.16}


@dataclass(frozen=True, slots=True)
class Mark:
    """A mask, contour or seed point that a person drew on one CT series.

    Attributes:
        series_uid: SeriesInstanceUID of the annotation itself.
        read_as: "arterial", "venous" or "delayed" if a radiologist named the phase of the CT; otherwise empty.
        rank: Lower ranks are preferred if a CT has several: contours before seed points, then the lesion's number.
    """

    series_uid: str
    read_as: str
    rank: tuple[bool, int, str, str]


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection in the index.

    Attributes:
        version: Version of the index.
        rows: CT series, segmentations and structure sets by SeriesInstanceUID; values by column name.
        marks: The annotations of a CT series by its SeriesInstanceUID, the preferred one first.
    """

    version: str
    rows: Mapping[str, Mapping[str, Any]]
    marks: Mapping[str, tuple[Mark, ...]]


def read_collection(collection_id: str) -> Collection:
    """Read one collection from the index in the package idc-index-data; no network is used.

    Args:
        collection_id: Its id in the Imaging Data Commons, such as ``c4kc_kits``.

    Returns:
        Its CT series and their annotations.

    Raises:
        InputError: If the packages of the extra ``public`` are missing, or the index has no such collection.

    **Source:** columns of idc-index-data, https://idc-index.readthedocs.io.
    """
    try:
        import duckdb
        import idc_index_data
    except ImportError as error:
        what = f"needs the package {error.name}, which is not installed"
        raise InputError([Problem("cohort", what, "Run: pip install 'nephrograde[public]'")]) from None
    query = (
        "select * from read_parquet(?) where collection_id = ? and Modality in ('CT', 'SEG', 'RTSTRUCT')"
        " order by PatientID, StudyInstanceUID, SeriesInstanceUID"
    )
    with duckdb.connect() as connection:
        found = connection.execute(query, [str(idc_index_data.IDC_INDEX_PARQUET_FILEPATH), collection_id])
        names = [column[0] for column in found.description or []]
        rows = [dict(zip(names, values, strict=True)) for values in found.fetchall()]
    if not rows:
        what = f"the index {idc_index_data.__version__} has no collection {collection_id}"
        raise InputError([Problem("cohort", what, "Run: pip install --upgrade idc-index-data")])
    by_uid = {str(row["SeriesInstanceUID"]): row for row in rows}
    return Collection(idc_index_data.__version__, by_uid, find_marks(rows))


def find_marks(rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Mark, ...]]:
    """Match masks, contours and seed points to the CT series on which they were drawn.

    The index does not state the match, but an object's description or number does: RCC-AID (radiologists' masks of
    TCGA) writes "venous, CT series 4"; the structure sets of CPTAC have the number of their CT series; the single
    segmentation of each C4KC-KiTS patient was drawn on the arterial series. Masks made by a program, lesions outside
    the kidneys and annotations of scans after chemotherapy are skipped, and so are numbers that two CT series of a
    study share.

    Args:
        rows: Series of a collection, with the column names of the index.

    Returns:
        The annotations by SeriesInstanceUID of the CT.

    **Source:** the descriptions in index version 25.

    >>> study = {"StudyInstanceUID": "1", "SeriesNumber": "4"}
    >>> find_marks([
    ...     study | {"SeriesInstanceUID": "1.4", "Modality": "CT", "SeriesDescription": "C+"},
    ...     study | {"SeriesInstanceUID": "1.9", "Modality": "SEG", "SeriesNumber": "401",
    ...              "SeriesDescription": "RCC-AID kidney/mass/cyst seg, venous, CT series 4"},
    ... ])["1.4"][0].read_as
    'venous'
    """
    numbers = Counter(_place(row) for row in rows if row["Modality"] == "CT")
    ct_of = {_place(row): str(row["SeriesInstanceUID"]) for row in rows if row["Modality"] == "CT"}
    arterial_of = {
        str(row["StudyInstanceUID"]): str(row["SeriesInstanceUID"])
        for row in rows
        if row["Modality"] == "CT" and "arterial" in str(row["SeriesDescription"]).lower()
    }
    found: dict[str, list[Mark]] = {}
    for row in rows:
        study, number = _place(row)
        text, uid = str(row["SeriesDescription"]), str(row["SeriesInstanceUID"])
        mark, ct = Mark(uid, "", (False, 1, "", uid)), ""
        if row["Modality"] == "SEG" and (aid := _RCC_AID.fullmatch(text)):
            mark, number = replace(mark, read_as=aid[1]), aid[2]
        elif row["Modality"] == "SEG" and text == "Segmentation":
            ct = arterial_of.get(study, "")
        elif row["Modality"] == "RTSTRUCT" and (drawn := _KIDNEY.fullmatch(text)):
            mark = replace(mark, rank=(bool(drawn[3]), int(drawn[2]), drawn[1], uid))
        else:
            continue
        if not ct and numbers[study, number] == 1:
            ct = ct_of[study, number]
        if ct:
            found.setdefault(ct, []).append(mark)
    return {ct: tuple(sorted(marks, key=lambda mark: mark.rank)) for ct, marks in found.items()}


def choose_collection(collection: Collection) -> list[Choice]:
    """Recognise the phases of a collection's CT series, and choose one series per phase for every patient.

    A phase named by a radiologist counts as evidence from the image. The series that C4KC-KiTS calls "late" is its
    third phase; it counts as nephrographic here, although some are excretory.

    Args:
        collection: A collection from :func:`read_collection`.

    Returns:
        A choice for every CT series, grouped by patient.
    """
    studies: dict[tuple[str, str], list[SeriesHeader]] = {}
    for row in collection.rows.values():
        if row["Modality"] == "CT":
            header = header_of_row(row)
            studies.setdefault((header.patient_id, header.study_uid), []).append(header)
    seen = {
        uid: Evidence(Statement.of("image.read-as", read_as=marks[0].read_as), _READ_AS[marks[0].read_as])
        for uid, marks in collection.marks.items()
        if marks[0].read_as
    }
    pairs: list[tuple[SeriesHeader, PhaseAnswer]] = []
    for study in studies.values():
        answers = recognise_phases(study, seen)
        for header in study:
            is_late = (
                collection.rows[header.series_uid]["collection_id"] == "c4kc_kits" and header.description == "late"
            )
            pairs.append((header, _late() if is_late else answers[header.key]))
    return choose_series(pairs)


def part_of_series(row: Mapping[str, Any], folder: str) -> Part:
    """Describe the download of one series of the index.

    Args:
        row: A row of the index.
        folder: ``images`` or ``masks``.

    >>> row = {"SeriesInstanceUID": "1.2", "crdc_series_uuid": "7068", "aws_bucket": "idc-open-data",
    ...        "instanceCount": 1, "series_size_MB": 1.5, "license_short_name": "CC BY 3.0", "source_DOI": "10.1/X"}
    >>> part = part_of_series(row, "masks")
    >>> part.path, part.source, part.size_bytes
    ('masks/1.2.dcm', 'idc-open-data/7068', 1500000)
    """
    uid, n_files = str(row["SeriesInstanceUID"]), int(row["instanceCount"])
    return Part(
        host="idc",
        source=f"{row['aws_bucket']}/{row['crdc_series_uuid']}",
        path=f"{folder}/{uid}" if n_files > 1 else f"{folder}/{uid}.dcm",
        n_files=n_files,
        size_bytes=round(float(row["series_size_MB"]) * 1e6),
        licence=str(row["license_short_name"]),
        doi=str(row["source_DOI"]).lower(),
    )


def _place(row: Mapping[str, Any]) -> tuple[str, str]:
    return str(row["StudyInstanceUID"]), str(row["SeriesNumber"])


def _late() -> PhaseAnswer:
    evidence = Evidence(Statement.of("words.third-of-c4kc"), _LATE)
    return PhaseAnswer("np", max(NAMED_FROM, _LATE["np"]), (evidence,))
