"""The masks of a patient for the page: drawn ones from the journal, imported ones from the cohort table."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nephrograde.annotations.entry import REFUSED_MASK, Kind, Origin
from nephrograde.annotations.masks import compose, key_of
from nephrograde.annotations.voxels import Voxels, is_same_grid, is_voxels, parse_voxels, voxels_of
from nephrograde.errors import InputError, PlaceError, Problem, VolumeError
from nephrograde.files import fingerprint, sha256_of
from nephrograde.volume.image_files import sha256_of_image
from nephrograde.volume.masks.labels import find_names_file
from nephrograde.volume.masks.read import read_marks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nephrograde.annotations.journal import Journal
    from nephrograde.annotations.state import PatientLabels
    from nephrograde.web.scans import Slices

IMPORTED: Final = "imported "
"""What the value of an entry begins with that accepts the imported mask; its digest follows."""
_KEPT = 64
_DIGEST_CHARACTERS = 16
_RELOAD = "Reload the page."


@dataclass(frozen=True, slots=True, eq=False)
class ImportedMask:
    """A mask of the cohort table on the grid of its image.

    Attributes:
        digest: Of its files, so that what is accepted is what was shown.
        voxels: The mask.
        remarks: What is suspect about it.
    """

    digest: str
    voxels: Voxels
    remarks: tuple[str, ...]


class ImportedMasks:
    """The masks of the cohort table, read when they are asked for; those that were shown last are kept.

    Args:
        label: The number or name of the tumour's label, ``masks.label`` of the study.
    """

    def __init__(self, label: str = "") -> None:
        self._label = label
        self._held: OrderedDict[tuple[Path, str], ImportedMask] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, mask_path: Path, slices: Slices) -> ImportedMask:
        """Read a mask onto the grid of its image.

        Args:
            mask_path: As in the cohort table.
            slices: The image.

        Raises:
            VolumeError: The mask cannot be used, for instance because it is empty or outside the image.
        """
        try:
            digest = sha256_of_image(mask_path)
            if self._label and (names_path := find_names_file(mask_path)):
                digest = fingerprint([digest, sha256_of(names_path)])
        except OSError as error:
            raise VolumeError("file-missing", f"cannot be read ({error.strerror}).", "Correct the table.") from None
        digest = digest[:_DIGEST_CHARACTERS]
        with self._lock:
            if (mask_path, digest) in self._held:
                self._held.move_to_end((mask_path, digest))
                return self._held[mask_path, digest]
        marks = read_marks(mask_path, slices.volume(), self._label)
        if marks.mask is None:
            raise VolumeError("mask-empty", "marks points, and no voxels.", "Draw a mask.")
        remarks = tuple(f"{fault.message} {fault.remedy}" for fault in marks.faults)
        found = ImportedMask(digest, voxels_of(marks.mask.T, slices.grid), remarks)
        with self._lock:
            self._held[mask_path, digest] = found
            while len(self._held) > _KEPT:
                self._held.popitem(last=False)
        return found


def mask_label(labels: PatientLabels, phase: str) -> dict[str, str]:
    """Describe the mask of a phase among the other labels: its value is a name that changes with every stroke.

    Args:
        labels: Of the patient; they have an entry about the mask.
        phase: The phase.
    """
    entry = labels.phases[phase][Kind.MASK]
    strokes = labels.strokes.get(phase, ())
    return {"value": key_of(strokes) if strokes else REFUSED_MASK, "origin": entry.origin.value}


def mask_content(labels: PatientLabels, phase: str, journal: Journal) -> dict[str, str]:
    """The drawn mask of a phase as a whole; empty texts if there is none.

    Args:
        labels: Of the patient.
        phase: The phase.
        journal: Whose mask it is.

    Raises:
        VolumeError: It cannot be put together.
    """
    strokes = labels.strokes.get(phase, ())
    if not strokes:
        return {"key": "", "origin": "", "value": ""}
    voxels = compose(strokes, journal.masks_dir)
    return {"key": key_of(strokes), "origin": strokes[-1].origin.value, "value": voxels.text()}


def check_strokes(value: str, slices: Slices, labels: PatientLabels | None, phase: str) -> None:
    """Refuse strokes that were drawn on another grid than that of the image, or of the strokes before.

    Args:
        value: Of the entry.
        slices: The image.
        labels: Of the patient; None if there are none.
        phase: The phase.

    Raises:
        InputError: They were.
    """
    try:
        drawn = parse_voxels(value)
    except PlaceError:
        return  # refused where the entry is read, with the reason
    what, remedy = "", _RELOAD
    if not is_same_grid(drawn.grid, slices.grid):
        what = "was drawn on another grid than that of the image"
    elif not drawn.is_whole and labels is not None:
        earlier = [parse_voxels(one.value) for one in labels.strokes.get(phase, ()) if is_voxels(one.value)]
        if any(not is_same_grid(one.grid, drawn.grid) for one in earlier):
            what = "belongs to a mask that was drawn on another image, which has been replaced since"
            remedy = "Remove the mask, and draw it again."
    if what:
        raise InputError([Problem("value", what, remedy)])


def accepted(given: Mapping[str, Any], found: ImportedMask) -> dict[str, Any]:
    """Fill in the voxels of the imported mask that an entry accepts.

    Args:
        given: The entry, whose value names the mask by its digest.
        found: The mask as it is now.

    Raises:
        InputError: It has changed since it was shown, or the origin of the entry is another.
    """
    problems = []
    if given["value"] != f"{IMPORTED}{found.digest}":
        problems.append(Problem("value", "the mask has changed since it was shown", _RELOAD))
    if given.get("origin") != Origin.ACCEPTED:
        problems.append(Problem("origin", "is not that of an imported mask", f'Write "{Origin.ACCEPTED}".'))
    if problems:
        raise InputError(problems)
    return {**given, "value": found.voxels.text()}
