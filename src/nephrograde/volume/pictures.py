"""Exported pictures instead of a scan: single slices as PNG, TIFF, JPEG, BMP or DICOM, for arms that use slices.

Whoever exported a picture has windowed it, so its grey values are not HU; only a DICOM slice of a CT still has them.
Text burnt into the pixels (names, scales, arrows) cannot be recognised by a program and is not looked for.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.errors import VolumeError, about_file
from nephrograde.volume.dicom.signature import is_dicom_file
from nephrograde.volume.dicom.slices import require_pixels
from nephrograde.volume.silence import silenced
from nephrograde.volume.unpack import LARGEST_RATIO
from nephrograde.volume.volume import make_volume

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt
    from PIL.Image import Image

    from nephrograde.volume.volume import Volume

KINDS = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp")
FEWEST_PIXELS = 16
MOST_PIXELS = 100_000_000
"""Larger pictures are not opened: no slice is that large, and a small file can claim any size."""
FEWEST_BYTES = 1024
"""Of smaller files, the ratio of pixels to bytes says nothing."""
PICTURE_ERRORS = (
    OSError,  # UnidentifiedImageError among them
    SyntaxError,
    ValueError,
    EOFError,
    MemoryError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    AssertionError,
    struct.error,
    zlib.error,
)
"""What Pillow raises on malformed pictures."""
GREY_WITHIN = 2
"""How much red, green and blue of a grey picture may differ, because of rounding in JPEG."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One exported slice.

    Attributes:
        values: ``"x y"``, x to the right of the picture and y down; HU, or 0–1 from black to white.
        is_hu: Whether ``values`` are HU.
        pixel_mm: Width and height of a pixel as stated in the file; only a DICOM slice has them.
    """

    values: npt.NDArray[np.float32] = field(repr=False)
    is_hu: bool
    pixel_mm: tuple[float, float] | None

    def as_volume(self, pixel_mm: tuple[float, float]) -> Volume:
        """Return the picture as a volume of one slice, whose first pixel lies at 0, 0, 0 mm.

        Args:
            pixel_mm: Width and height of a pixel.
        """
        return make_volume(self.values[:, :, None], spacing_mm=(*pixel_mm, 1.0))


def find_pictures(image_paths: Sequence[Path]) -> tuple[Path, ...]:
    """Find the pictures that a table cell names: some files, or a folder of them; none if it names a scan.

    Args:
        image_paths: One file or folder, or several files.

    Returns:
        The files, those of a folder ordered by name. Empty if the one path is a scan: an image file with several
        slices, or a folder that contains anything but pictures. Several paths are always pictures.

    >>> import pathlib
    >>> find_pictures([pathlib.Path("P1.png")]), find_pictures([pathlib.Path("P1.nii.gz")])
    ((PosixPath('P1.png'),), ())
    """
    path = image_paths[0]
    if len(image_paths) > 1 or path.suffix.lower() in KINDS:
        return tuple(image_paths)
    if path.is_dir():
        files = sorted(one for one in path.iterdir() if one.is_file() and not one.name.startswith("."))
        return tuple(files) if all(one.suffix.lower() in KINDS for one in files) else ()
    return (path,) if path.is_file() and _is_dicom_slice(path) else ()


def read_picture(picture_path: Path) -> Picture:
    """Read one exported slice.

    Grey values of 8 or 16 bits are divided by the maximum of their type. The resolution stated in a PNG, TIFF or JPEG
    refers to paper or screen, and is not used.

    Args:
        picture_path: PNG, TIFF, JPEG, BMP, or one DICOM slice.

    Raises:
        VolumeError: With code "file-missing", "file-unreadable", "picture-kind", "picture-colour",
            "picture-transparent", "picture-several", "picture-small", "picture-large" or "picture-range".

    >>> import pathlib, tempfile
    >>> from PIL import Image
    >>> picture_path = pathlib.Path(tempfile.mkdtemp()) / "肿瘤.png"
    >>> Image.fromarray(np.full((30, 20), 51, dtype=np.uint8)).save(picture_path)
    >>> picture = read_picture(picture_path)
    >>> picture.values.shape, round(float(picture.values[0, 0]), 3), picture.is_hu
    ((20, 30), 0.2, False)
    """
    with about_file(picture_path):
        return _read(picture_path)


def read_numbered(picture_paths: Sequence[Path], k: int) -> Picture:
    """Read one of the pictures that stand in for a scan; of several, a message gives its number.

    Args:
        picture_paths: All of them.
        k: Which one, counted from 0.

    Raises:
        VolumeError: As :func:`read_picture`.
    """
    try:
        return read_picture(picture_paths[k])
    except VolumeError as error:
        if len(picture_paths) > 1:
            error.message = f"picture {k}, counted from 0: {error.message}"
        raise


def _read(picture_path: Path) -> Picture:
    if not picture_path.is_file():
        raise VolumeError("file-missing", "no such picture.", "Correct the path in the cohort table.")
    if picture_path.suffix.lower() in KINDS:
        pixels, is_hu, pixel_mm = _decode(picture_path), False, None
    elif is_dicom_file(picture_path):
        pixels, is_hu, pixel_mm = _read_dicom_slice(picture_path)
    else:
        raise VolumeError(
            "picture-kind",
            "is no picture.",
            "Name PNG, TIFF, JPEG or BMP files or DICOM slices, or one scan.",
        )
    if min(pixels.shape[:2]) < FEWEST_PIXELS:
        raise VolumeError(
            "picture-small",
            f"has only {pixels.shape[1]} × {pixels.shape[0]} pixels.",
            "Export the slice at its full size.",
        )
    grey = _as_grey(pixels)
    if grey.dtype.kind == "f" and not is_hu:
        raise VolumeError("picture-range", "holds fractions.", "Export the slice in greys of 8 or 16 bits.")
    values = grey.T.astype(np.float32)
    if not is_hu:
        values /= 1.0 if grey.dtype == bool else np.iinfo(grey.dtype).max
    return Picture(np.ascontiguousarray(values), is_hu, pixel_mm)


def _decode(picture_path: Path) -> npt.NDArray[Any]:
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(picture_path) as image:
                _require_one_of_sane_size(image)
                _require_held(image, picture_path)
                with silenced() if image.format == "TIFF" else nullcontext():
                    image.load()
                upright = ImageOps.exif_transpose(image)
                return np.asarray(upright.convert("RGBA") if upright.mode in {"P", "PA", "CMYK", "YCbCr"} else upright)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large() from None
    except PICTURE_ERRORS as error:
        raise VolumeError(
            "file-unreadable",
            f"is damaged, cut short or not what its name says ({type(error).__name__}).",
            "Export the slice again.",
        ) from None


def _require_one_of_sane_size(image: Image) -> None:
    if image.width * image.height > MOST_PIXELS:
        raise _too_large()
    if getattr(image, "n_frames", 1) > 1:
        raise VolumeError(
            "picture-several",
            "holds several pictures.",
            "Save one slice per file, and name the files in the table, separated by semicolons.",
        )


def _require_held(image: Image, picture_path: Path) -> None:
    """Refuse a picture of more pixels than its file can hold, before they are allocated."""
    n_bytes = image.width * image.height
    if n_bytes > LARGEST_RATIO * max(picture_path.stat().st_size, FEWEST_BYTES):
        raise VolumeError(
            "file-truncated",
            f"is far too small for a picture of {image.width} × {image.height} pixels.",
            "Export the slice again.",
        )


def _too_large() -> VolumeError:
    return VolumeError("picture-large", "is far larger than any slice.", "Export the slice at its own size.")


def _as_grey(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """One number a pixel, where the picture shows greys only."""
    if pixels.ndim == 2:
        return pixels if pixels.dtype.kind in "bui" and pixels.dtype.itemsize < 4 else _narrowed(pixels)
    channels = pixels.shape[2]
    if channels in {2, 4} and (pixels[:, :, -1] < np.iinfo(pixels.dtype).max).any():
        raise VolumeError("picture-transparent", "is transparent in places.", "Export the slice without a mask.")
    if channels <= 2:
        return np.asarray(pixels[:, :, 0])
    colours = pixels[:, :, :3].astype(np.int32)
    if (colours.max(axis=2) - colours.min(axis=2)).max() > GREY_WITHIN:
        raise VolumeError(
            "picture-colour",
            "is in colour.",
            "Export the slice in grey, without coloured marks, overlays or a colour map.",
        )
    return np.asarray(pixels[:, :, 1])


def _narrowed(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Narrow the 32-bit numbers that Pillow returns for some 16-bit files; HU of a DICOM slice are unchanged."""
    is_short = pixels.dtype.kind in "ui" and pixels.min() >= 0 and pixels.max() <= np.iinfo(np.uint16).max
    return pixels.astype(np.uint16) if is_short else pixels


def _is_dicom_slice(path: Path) -> bool:
    if not is_dicom_file(path):
        return False
    import SimpleITK  # takes a tenth of a second, and few files need it

    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return True  # reading it reports what is wrong
    return len(reader.GetSize()) < 3 or reader.GetSize()[2] == 1


def _read_dicom_slice(path: Path) -> tuple[npt.NDArray[Any], bool, tuple[float, float] | None]:
    import SimpleITK  # takes a tenth of a second, and few files need it

    require_pixels(path)
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        image = reader.Execute()
    except RuntimeError:
        raise VolumeError(
            "file-unreadable",
            "is damaged or no DICOM slice.",
            "Export the slice again.",
        ) from None
    pixels = SimpleITK.GetArrayFromImage(image)
    is_hu = reader.HasMetaDataKey("0008|0060") and reader.GetMetaData("0008|0060").strip() == "CT"
    has_size = reader.HasMetaDataKey("0028|0030")
    return pixels[0], is_hu, (image.GetSpacing()[0], image.GetSpacing()[1]) if has_size else None
