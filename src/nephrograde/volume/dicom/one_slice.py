"""What is known of one slice before its pixels are read, and of the file that it lies in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from nephrograde.errors import VolumeError
    from nephrograde.volume.dicom.elements import End, Place


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that may hold slices: where it lies, and what messages call it, which is never its own name.

    A file from a list must be DICOM; in a folder, other files are skipped. A doubtful file cannot be read, and may
    belong to another series. ``fault`` says why it could not even be opened.
    """

    path: Path
    name: str
    is_wanted: bool = False
    is_doubtful: bool = False
    fault: VolumeError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelForm:
    """How the pixels of an object are stored.

    Attributes:
        padding: Lowest and highest stored value that fill the image where nothing was measured.
        is_inverted: MONOCHROME1.
    """

    syntax: str
    rows: int
    columns: int
    frames: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool
    is_colour: bool
    is_inverted: bool
    is_ct: bool
    padding: tuple[int, int] | None

    @property
    def frame_bytes(self) -> int:
        """Size of one uncompressed single-channel frame."""
        return self.rows * self.columns * self.bits_allocated // 8


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Slice:
    """One slice: where it lies in the patient (LPS, mm), and where its pixels are; ``number`` is its InstanceNumber.

    ``has_rescale`` is false if its slope and intercept are missing; ``patient_id`` stays out of messages;
    ``header_end`` is where the elements behind its header begin, if its pixels may be among them; ``pixels`` is where
    its pixels lie, if that is known from its header and nothing is behind them.
    """

    file: SourceFile
    frame: int
    number: str
    form: PixelForm
    sop_uid: str
    series_uid: str
    series_number: str
    acquisition: str
    pixel_mm: tuple[float, float]
    orientation: npt.NDArray[np.float64]
    position_mm: npt.NDArray[np.float64]
    rescale: tuple[float, float]
    has_rescale: bool
    patient_id: str
    frame_uid: str
    header_end: End | None
    pixels: Place | None

    @property
    def name(self) -> str:
        """What a message about its series calls it."""
        if self.form.frames > 1:
            return f"{self.file.name}, frame {self.frame + 1}"
        return f"{self.file.name} (instance {self.number})" if self.number else self.file.name
