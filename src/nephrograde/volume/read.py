"""Any of the accepted files, or a DICOM series, to a usable volume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nephrograde.arguments import PATH, checked
from nephrograde.errors import VolumeError
from nephrograde.volume.check import find_fatal, without_background
from nephrograde.volume.stored import read_stored_series
from nephrograde.volume.volume import orient

if TYPE_CHECKING:
    from nephrograde.volume.volume import Volume


@checked(image_path=PATH)
def read_volume(image_path: str | Path) -> Volume:
    """Read an image and check that it can be used.

    Values are HU for CT (slope and intercept applied). Axes are reordered and flipped as views, without copying.

    Args:
        image_path: NIfTI, NRRD or MHA, or the folder or zip archive of one DICOM series.

    Returns:
        The image. ``nephrograde.volume.check.check_volume`` lists what is suspect but does not prevent its use.

    Raises:
        InputError: Where it is not a path.
        VolumeError: Where the file is missing, empty, cut short, damaged or of another kind; where its geometry is
            sheared or has gaps; where it is not one 3-D image; where it has fewer than three slices, values that are
            not finite, or one value only. ``code`` names which, and ``path`` is the image's.

    Source: DICOM PS3.3 C.7.6.2.1.1 for the axes.

    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from nephrograde.volume.volume import write_image
    >>> image_path = pathlib.Path(tempfile.mkdtemp()) / "np.nii.gz"
    >>> write_image(np.arange(60, dtype=np.int16).reshape(5, 4, 3), image_path, spacing_mm=(0.8, 0.8, 2.0))
    >>> volume = read_volume(image_path)
    >>> volume.values.dtype.name, volume.values.shape, round(volume.spacing_mm[2], 4), int(volume.values[4, 3, 2])
    ('int16', (5, 4, 3), 2.0, 59)
    """
    path = Path(image_path)
    stored = read_stored_series(path)
    volume = replace(orient(stored.values, stored.grid), faults=tuple(stored.faults), bridged=stored.bridged)
    faults, (low, high) = find_fatal(volume, stored.extremes)
    replaced = without_background(volume, low, high) if not faults else volume
    if replaced is not volume:
        faults, _ = find_fatal(replaced)
    for fault in faults:
        raise VolumeError(fault.code, fault.message, fault.remedy, path=path)
    return replaced
