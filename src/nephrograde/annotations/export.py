"""The labels of a reader for other programs: a copy of the cohort table, or masks as NIfTI or DICOM SEG."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nephrograde.annotations.masks import write_mask
from nephrograde.annotations.voxels import voxels_of
from nephrograde.cohort.headings import standard_headings
from nephrograde.cohort.place import Box, Point, SlicePlace, write_place
from nephrograde.errors import InputError, Problem, VolumeError, about_file
from nephrograde.files import write_rows
from nephrograde.replacement import check_replaceable
from nephrograde.run.stage import kept_name
from nephrograde.sheet import clean_heading, is_nothing, open_sheet
from nephrograde.volume.dicom.references import read_references, require_highdicom, save_object
from nephrograde.volume.masks.read import read_marks
from nephrograde.volume.masks.written_segmentation import Origin, make_segmentation
from nephrograde.volume.read import read_volume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nephrograde.cohort.annotated import Annotations
    from nephrograde.sheet import Sheet
    from nephrograde.study import CohortSettings
    from nephrograde.vocabulary import MaskArray
    from nephrograde.volume.volume import Volume

_COLUMN_OF = {"point": "point", "box": "box", "slice_place": "slice", "mask_path": "mask"}
_OF_SCAN = ("image", "pixel_mm", *_COLUMN_OF.values())


@dataclass(frozen=True, slots=True)
class ExportedTable:
    """A copy of a cohort table with the labels of a reader.

    Attributes:
        path: The copy.
        n_labels: Labels that were entered.
        n_left_out: Scans without a tumour, or that cannot be judged; their cells are empty.
        unknown: Patients of the labels who are not in the table.
    """

    path: Path
    n_labels: int
    n_left_out: int
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FailedMask:
    """A mask that could not be written."""

    patient_id: str
    phase: str
    error: VolumeError


@dataclass(frozen=True, slots=True)
class ExportedMasks:
    """The masks of a reader on the grids of their images.

    Attributes:
        index_path: The table of the masks, with the columns of a cohort table.
        n_masks: How many were written.
        failed: Those that could not be.
    """

    index_path: Path
    n_masks: int
    failed: tuple[FailedMask, ...]


def export_table(settings: CohortSettings, annotations: Annotations, out_path: Path) -> ExportedTable:
    """Write a copy of the cohort table in which labels of a reader replace those of the same kind.

    Paths of images and masks are rewritten where the copy is in another folder. Of a scan that a reader leaves out, all
    cells are emptied, because a cohort table has no other way to say so.

    Args:
        settings: The ``[cohort]`` section: the table and its headings.
        annotations: The labels, from :func:`~nephrograde.cohort.annotated.read_annotations`.
        out_path: The copy, as CSV in UTF-8.

    Raises:
        InputError: The table cannot be read, or would be overwritten.
        WriteError: The copy cannot be written.
    """
    if out_path.resolve() == settings.table.resolve():
        raise InputError([Problem(str(out_path), "is the cohort table itself", "Name another file with --to.")])
    check_replaceable(out_path)
    sheet, heading_of = _opened(settings)
    from_dir, to_dir = settings.table.parent.resolve(), out_path.parent.resolve()
    phases = list(dict.fromkeys([*settings.phases, *(phase for _, phase in annotations.labels)]))
    moved = [heading_of(f"{phase}_{kind}") for phase in phases for kind in ("image", "mask")]
    columns = list(sheet.headings)
    rows, known = [], set()
    n_labels = n_left_out = 0
    for _, cells in sheet.rows:
        row = {heading: _moved(cell, from_dir, to_dir) if heading in moved else cell for heading, cell in cells.items()}
        patient = row[heading_of("patient_id")]
        known.add(patient)
        for phase in phases:
            given = annotations.labels.get((patient, phase), {})
            if given.get("state"):
                n_left_out += 1
                row |= {heading_of(f"{phase}_{kind}"): "" for kind in _OF_SCAN if heading_of(f"{phase}_{kind}") in row}
                continue
            for name, value in given.items():
                heading = heading_of(f"{phase}_{_COLUMN_OF[name]}")
                columns += [] if heading in columns else [heading]
                row[heading] = "" if value is None else _text_of(value, to_dir)
                n_labels += value is not None
        rows.append(row)
    write_rows(out_path, columns, rows)
    unknown = tuple(patient for patient in annotations.patients if patient not in known)
    return ExportedTable(out_path, n_labels, n_left_out, unknown)


def export_masks(
    settings: CohortSettings,
    annotations: Annotations,
    out_dir: Path,
    *,
    advance: Callable[[], None] = lambda: None,
) -> ExportedMasks:
    """Write the masks of a reader as NIfTI on the grids of their images, and ``masks.csv``, which names them.

    Args:
        settings: The ``[cohort]`` section: the table with the images.
        annotations: The labels.
        out_dir: The folder.
        advance: Called once per mask.

    Raises:
        InputError: The table cannot be read.
        WriteError: A file cannot be written.
    """

    def write(mask: MaskArray, volume: Volume, _image_path: Path, out_path: Path) -> None:
        write_mask(voxels_of(mask.T, volume.grid), out_path)

    return _export(settings, annotations, out_dir, write=_Written(write, ".nii.gz", advance))


def export_segmentations(
    settings: CohortSettings,
    annotations: Annotations,
    out_dir: Path,
    *,
    reader: str,
    advance: Callable[[], None] = lambda: None,
) -> ExportedMasks:
    """Write the masks of a reader as DICOM segmentations of their series, and ``masks.csv``, which names them.

    Args:
        settings: The ``[cohort]`` section: the table with the images.
        annotations: The labels.
        out_dir: The folder.
        reader: Who drew them.
        advance: Called once per mask.

    Raises:
        InputError: The table cannot be read, or highdicom is not installed.
        WriteError: A file cannot be written.
    """
    require_highdicom("--export seg")

    def write(mask: MaskArray, volume: Volume, image_path: Path, out_path: Path) -> None:
        write_drawn(mask, volume, image_path, out_path, reader=reader)

    return _export(settings, annotations, out_dir, write=_Written(write, ".dcm", advance))


def write_drawn(mask: MaskArray, volume: Volume, image_path: Path, out_path: Path, *, reader: str) -> None:
    """Write a mask that a reader has drawn as a DICOM segmentation of its series.

    Exported again, the same mask of the same reader has the same UIDs.

    Args:
        mask: ``"x y z"``, on the grid of the volume.
        volume: The image, as read from ``image_path``.
        image_path: The DICOM series.
        out_path: The file, ``.dcm``.
        reader: Who drew it, which becomes the name of the content's creator.

    Raises:
        VolumeError: With code "not-dicom" if the image is not DICOM, "dicom-reference" if the series lacks the UIDs
            that a segmentation must refer to, "dicom-source" if its headers cannot be copied, "mask-empty".
        WriteError: The file cannot be written.
    """
    sources = read_references(image_path)
    entropy = (str(sources.datasets[0].SeriesInstanceUID), reader)
    with about_file(image_path):
        origin = Origin(reader, "nephrograde annotate", f"Tumour, drawn by {reader}", entropy)
        save_object(make_segmentation(mask, volume, sources, origin=origin), out_path)


@dataclass(frozen=True, slots=True)
class _Written:
    """How a mask is written: the function, the ending of the file, and what to call afterwards."""

    write: Callable[[MaskArray, Volume, Path, Path], None]
    suffix: str
    advance: Callable[[], None]


def _export(settings: CohortSettings, annotations: Annotations, out_dir: Path, *, write: _Written) -> ExportedMasks:
    sheet, heading_of = _opened(settings)
    row_of = {cells[heading_of("patient_id")]: cells for _, cells in sheet.rows}
    failed, names = [], dict[str, dict[str, str]]()
    phases = []
    for (patient, phase), mask_path in _masks(annotations):
        image = row_of.get(patient, {}).get(heading_of(f"{phase}_image"), "").partition(";")[0]
        name = kept_name(patient, phase, [patient, phase], write.suffix)
        try:
            image_path = _image_path(settings, image)
            write.write(*_read(image_path, mask_path), image_path, out_dir / name)
        except VolumeError as error:
            failed.append(FailedMask(patient, phase, error))
        else:
            names.setdefault(patient, {})[f"{phase}_mask"] = name
            phases += [] if phase in phases else [phase]
        write.advance()
    index_path = out_dir / "masks.csv"
    rows = ({"patient_id": patient, **own} for patient, own in names.items())
    write_rows(index_path, ["patient_id", *(f"{phase}_mask" for phase in phases)], rows)
    return ExportedMasks(index_path, sum(map(len, names.values())), tuple(failed))


def _opened(settings: CohortSettings) -> tuple[Sheet, Callable[[str], str]]:
    """The table, and a function that gives the heading of a standard column."""
    sheet, problems = open_sheet(settings.table, settings.encoding)
    if sheet is None or problems:
        raise InputError(problems)
    named = {clean_heading(name): clean_heading(heading) for name, heading in settings.columns.items()}
    heading_of = standard_headings(sheet.headings, named)
    if heading_of.get("patient_id") not in sheet.headings:
        remedy = "Rename it, or map it in cohort.columns."
        raise InputError([Problem(f"{sheet.name}, column patient_id", "is missing", remedy)])
    return sheet, lambda name: heading_of.get(name, name)


def _plain(text: str) -> str:
    return text.strip("\"' ").replace("\\", "/")


def _moved(cell: str, from_dir: Path, to_dir: Path) -> str:
    """The paths of a cell as seen from another folder; absolute ones stay."""
    if from_dir == to_dir or is_nothing(cell):
        return cell
    paths = [_plain(part) for part in cell.split(";") if part.strip()]
    return ";".join(
        path if Path(path).is_absolute() else Path(os.path.relpath(from_dir / path, to_dir)).as_posix()
        for path in paths
    )


def _text_of(value: object, to_dir: Path) -> str:
    if isinstance(value, Path):
        return Path(os.path.relpath(value.resolve(), to_dir)).as_posix()
    if not isinstance(value, Point | Box | SlicePlace):
        raise TypeError(f"{value!r} is not a label")
    return write_place(value)


def _masks(annotations: Annotations) -> Iterator[tuple[tuple[str, str], Path]]:
    for key, given in annotations.labels.items():
        mask_path = given.get("mask_path")
        if isinstance(mask_path, Path) and not given.get("state"):
            yield key, mask_path


def _image_path(settings: CohortSettings, cell: str) -> Path:
    if is_nothing(cell):
        raise VolumeError("no-image", "the table has no image for it.", "Fill in the image.")
    return settings.table.parent / _plain(cell)


def _read(image_path: Path, mask_path: Path) -> tuple[MaskArray, Volume]:
    volume = read_volume(image_path)
    mask = read_marks(mask_path, volume).mask
    if mask is None:
        raise VolumeError("mask-empty", "marks points, and no voxels.", "Draw a mask.", path=mask_path)
    return mask, volume
