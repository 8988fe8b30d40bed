"""The tumour that a study grades, selected from everything that a mask file marks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nephrograde.volume.check import check_mask
from nephrograde.volume.finding import Fault
from nephrograde.volume.masks.labels import several_labels
from nephrograde.volume.masks.read import read_marks
from nephrograde.volume.masks.tumours import pick_tumours, several_tumours

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.study import MaskSettings
    from nephrograde.vocabulary import MaskArray, Triple
    from nephrograde.volume.masks.tumours import Piece
    from nephrograde.volume.volume import Volume


@dataclass(frozen=True, slots=True, eq=False)
class Delineation:
    """The tumour on one scan: its mask on the grid of the image, or only a seed point in it (LPS, mm).

    ``pieces`` are all tumours of the mask, ``faults`` what is suspect about it. ``choice`` says how it differs from
    everything the file marks, and is empty if it does not; a region cut with it gets another name.
    """

    mask: MaskArray | None = field(repr=False)
    seed_mm: Triple | None = None
    pieces: tuple[Piece, ...] = ()
    choice: str = ""
    faults: tuple[Fault, ...] = ()


def delineate(mask_path: Path, volume: Volume, settings: MaskSettings) -> Delineation:
    """Read a mask and decide which part of it is the tumour.

    Args:
        mask_path: As in :func:`~nephrograde.volume.masks.read.read_marks`.
        volume: The image.
        settings: The study's ``[masks]``: which label, and which of several tumours.

    Returns:
        The tumour, with faults "mask-elsewhere", "labels-several", "tumours-several", "seeds-several" and "mask-border"
        (all warnings).

    Raises:
        VolumeError: As in :func:`~nephrograde.volume.masks.read.read_marks`.

    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from nephrograde.study import MaskSettings
    >>> from nephrograde.volume.volume import make_volume, write_image
    >>> labels = np.zeros((20, 20, 10), dtype=np.uint8)
    >>> labels[2:12, 2:12, 2:8], labels[4:9, 4:9, 3:6] = 1, 2
    >>> mask_path = pathlib.Path(tempfile.mkdtemp()) / "np_mask.nii.gz"
    >>> write_image(labels, mask_path, spacing_mm=(1.0, 1.0, 5.0))
    >>> volume = make_volume(np.zeros((20, 20, 10)), spacing_mm=(1.0, 1.0, 5.0))
    >>> int(delineate(mask_path, volume, MaskSettings(label="2")).mask.sum())
    75
    >>> [fault.code for fault in delineate(mask_path, volume, MaskSettings()).faults]
    ['labels-several']
    """
    marks = read_marks(mask_path, volume, settings.label)
    left_out = [f"labels {','.join(str(one.number) for one in marks.used)}"] if marks.is_partial else []
    if marks.mask is None:
        seed_faults = tuple(_several_seeds(len(marks.seeds_mm)))
        return Delineation(None, marks.seeds_mm[0], choice="; ".join(left_out), faults=seed_faults)
    mask, pieces = pick_tumours(marks.mask, volume, settings.tumours)
    faults = [*marks.faults, *several_labels(marks.used, settings.label)]
    faults += [*several_tumours(pieces), *check_mask(mask)]
    left_out += ["largest tumour"] if mask is not marks.mask else []
    return Delineation(mask, None, pieces, "; ".join(left_out), tuple(faults))


def _several_seeds(count: int) -> list[Fault]:
    if count < 2:
        return []
    return [
        Fault(
            "seeds-several",
            "warning",
            f"holds {count} points; the first is taken.",
            "Name the tumour's label in masks.label, or write its point into the table.",
        )
    ]
