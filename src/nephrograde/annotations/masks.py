"""The masks of a journal: put together from their strokes, and as NIfTI files that follow from them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.annotations.voxels import Voxels, is_same_grid, is_voxels, parse_voxels, voxels_of
from nephrograde.errors import RunError, VolumeError, WriteError, about_writing
from nephrograde.files import fingerprint
from nephrograde.replacement import make_folder
from nephrograde.run.stage import kept_name
from nephrograde.volume.masks.label_map import read_label_map
from nephrograde.volume.masks.stamp import Stamp, is_as_stamped, read_stamp
from nephrograde.volume.overlay import bring_over
from nephrograde.volume.volume import write_image

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from nephrograde.annotations.entry import Entry
    from nephrograde.annotations.state import PatientLabels
    from nephrograde.annotations.voxels import Counts
    from nephrograde.volume.grid import Grid

_REMEDY = "Remove the mask on the page, and draw it again."


def compose(strokes: Sequence[Entry], masks_dir: Path) -> Voxels:
    """Put a mask together from the entries that it consists of.

    Args:
        strokes: In the order in which they apply, from :class:`~nephrograde.annotations.state.PatientLabels`.
        masks_dir: The folder of the files that entries name.

    Returns:
        The whole mask, on the grid of the last stroke.

    Raises:
        VolumeError: With code "mask-grid" if strokes were drawn on different grids; those of reading a file that an
            entry names.
    """
    drawn = [parse_voxels(one.value) if is_voxels(one.value) else None for one in strokes]
    grid = next((one.grid for one in reversed(drawn) if one is not None), None)
    slices: dict[int, Counts] = {}
    for entry, one in zip(strokes, drawn, strict=True):
        voxels = _of_file(masks_dir / entry.value, grid) if one is None else one
        grid = grid or voxels.grid
        if not is_same_grid(voxels.grid, grid):
            raise VolumeError("mask-grid", "was drawn on two different grids.", _REMEDY)
        slices.update(voxels.slices)
    if grid is None:
        raise VolumeError("mask-empty", "has no strokes.", _REMEDY)
    return Voxels(grid, {number: counts for number, counts in slices.items() if len(counts)}, is_whole=True)


def key_of(strokes: Sequence[Entry]) -> str:
    """A name for the content of a mask, which changes with every stroke.

    Args:
        strokes: The entries that it consists of.
    """
    return fingerprint([one.id for one in strokes])[:16]


def mask_names(labels: Iterable[PatientLabels], masks_dir: Path) -> dict[tuple[str, str], str]:
    """Name the file of each mask by its path from the folder of annotations, by patient and phase.

    Args:
        labels: The labels of patients.
        masks_dir: The folder of the masks.
    """
    return {
        (patient.patient_id, phase): f"{masks_dir.name}/{_file_name(patient.patient_id, phase, strokes)}"
        for patient in labels
        for phase, strokes in patient.strokes.items()
    }


class MaskFolder:
    """The files of the masks of one journal, written again whenever a mask has changed.

    A file that somebody has changed with another program is kept under another name before it is replaced.

    Args:
        folder: The folder, ``<reader>.masks``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._current: dict[tuple[str, str], Sequence[Entry]] = {}
        self._left: dict[Path, tuple[int, int]] = {}

    def write(self, labels: Mapping[str, PatientLabels]) -> None:
        """Write the masks that are missing or have changed.

        Args:
            labels: Of all patients.

        Raises:
            RunError: A mask cannot be put together or written; the others are written.
        """
        faults = []
        for patient in labels.values():
            for phase, strokes in patient.strokes.items():
                scan = (patient.patient_id, phase)
                name = _file_name(*scan, strokes)
                if self._current.get(scan) is strokes or name == strokes[-1].value:
                    continue
                try:
                    self._write_one(self.folder / name, strokes, is_first=scan not in self._current)
                except (VolumeError, WriteError) as error:
                    faults.append(f"{self.folder / name} cannot be written: {error}")
                else:
                    self._current[scan] = strokes
        if faults:
            raise RunError("\n".join(faults))

    def _write_one(self, path: Path, strokes: Sequence[Entry], *, is_first: bool) -> None:
        key = key_of(strokes)
        stamp = read_stamp(path) if is_first else None
        if stamp is not None and stamp.key == key:
            return
        make_folder(self.folder)
        with about_writing(path):
            if path.exists() and self._left.get(path) != _state_of(path) and not is_as_stamped(path):
                _keep(path)
            try:
                voxels = compose(strokes, self.folder)
            except VolumeError:
                path.unlink(missing_ok=True)  # an earlier state of the mask must not be taken for this one
                raise
            write_mask(voxels, path, key=key)
            self._left[path] = _state_of(path)


def write_mask(voxels: Voxels, path: Path, *, key: str = "") -> None:
    """Write a mask as NIfTI on its grid, with a note by which changes of the file can be recognised.

    Args:
        voxels: The mask.
        path: The file.
        key: Which state of the mask it is.

    Raises:
        VolumeError: With code "file-unwritable".
    """
    mask, grid = voxels.stack().T, voxels.grid
    write_image(
        mask.astype(np.uint8),
        path,
        spacing_mm=grid.spacing_mm,
        origin_mm=grid.origin_mm,
        direction=grid.direction,
        note=Stamp.of(mask, key).text,
    )


def _file_name(patient_id: str, phase: str, strokes: Sequence[Entry]) -> str:
    only = strokes[0].value if len(strokes) == 1 else ""
    return only if only and not is_voxels(only) else kept_name(patient_id, phase, [patient_id, phase], ".nii.gz")


def _of_file(path: Path, grid: Grid | None) -> Voxels:
    marks = read_label_map(path)
    if marks.mask is None:
        raise VolumeError("mask-empty", "marks points, and no voxels.", _REMEDY, path=path)
    over = grid or marks.grid
    return voxels_of(bring_over(marks.mask, marks.grid, over).T, over)


def _state_of(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _keep(path: Path) -> None:
    """Move a file that was changed by hand to a name that is free."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    stem = path.name.removesuffix(".nii.gz")
    path.replace(path.with_name(f"{stem}.changed-{digest}.nii.gz"))
