"""The note in the header of a mask that was drawn on the annotation page: which mask it is, and what its voxels were.

NIfTI has 80 bytes for a description. A program that changes the voxels and keeps the description leaves one that no
longer fits them.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import SimpleITK

from nephrograde.volume.silence import silenced

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.vocabulary import MaskArray

_TEXT: Final = re.compile(r"nephrograde mask ([0-9a-f]{0,16}) ([0-9a-f]{16})")
_DESCRIPTION: Final = "ITK_FileNotes"


@dataclass(frozen=True, slots=True)
class Stamp:
    """The note of a mask.

    Attributes:
        key: Which state of a mask it is; empty if it does not matter.
        voxels: A digest of the marked voxels.
    """

    key: str
    voxels: str

    @classmethod
    def of(cls, mask: MaskArray, key: str = "") -> Stamp:
        """The note for a mask.

        Args:
            mask: ``"x y z"``.
            key: Up to 16 hexadecimal digits.
        """
        packed = np.packbits(np.asarray(mask, dtype=bool).ravel(order="F"))
        return cls(key, hashlib.sha256(packed.tobytes()).hexdigest()[:16])

    @property
    def text(self) -> str:
        """What the header says."""
        return f"nephrograde mask {self.key} {self.voxels}"


def read_stamp(path: Path) -> Stamp | None:
    """Read the note of a mask from its header.

    Args:
        path: A NIfTI file; may be missing, or anything else.

    Returns:
        None if it has none.
    """
    if not path.is_file() or not path.name.lower().endswith((".nii", ".nii.gz")):
        return None
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        with silenced():
            reader.ReadImageInformation()
    except RuntimeError:
        return None
    text = reader.GetMetaData(_DESCRIPTION) if reader.HasMetaDataKey(_DESCRIPTION) else ""
    match = _TEXT.fullmatch(text.strip())
    return Stamp(match[1], match[2]) if match else None


def is_as_stamped(path: Path) -> bool:
    """Whether a mask has a note that fits its voxels.

    Args:
        path: A NIfTI file.
    """
    stamp = read_stamp(path)
    if stamp is None:
        return False
    try:
        with silenced():
            image = SimpleITK.ReadImage(str(path))
    except RuntimeError:
        return False
    return Stamp.of(SimpleITK.GetArrayViewFromImage(image).T > 0, stamp.key) == stamp
