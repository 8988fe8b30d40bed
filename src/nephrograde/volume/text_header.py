"""The text headers of NRRD and MetaImage (MHA) files, checked before SimpleITK reads what they claim.

SimpleITK allocates whatever a header claims, opens whatever file it names, takes a missing voxel size for 1 mm, and
passes over the unit of lengths.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.errors import VolumeError
from nephrograde.volume.finding import Fault
from nephrograde.volume.unpack import LARGEST_RATIO, require_plausible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from nephrograde.vocabulary import Triple

TEXT_HEADED = (".nrrd", ".nhdr", ".mha", ".mhd")
"""How the names of such files end."""

_LONGEST_HEADER = 1 << 20
_LARGEST_AXIS = 1 << 20
_FARTHEST_MM = 1e6
_LONGEST_NRRD_LINE = 1000
"""NrrdIO copies longer fields into error messages without room for them; comments, keys and contents may be longer."""
_LONGEST_META_TEXT = 250
"""MetaIO has room for 255 bytes in these fields."""
_META_TEXTS = (
    *("ObjectType", "ObjectSubType", "ObjectTypeName", "ObjectSubTypeName", "Name", "Comment", "ElementType"),
    *("Modality", "AnatomicalOrientation", "DistanceUnits", "AcquisitionDate", "BinaryData", "CompressedData"),
)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_MM_OF_UNIT = {
    1.0: ("", "?", "mm", "millimeter", "millimetre"),
    10.0: ("cm", "centimeter", "centimetre"),
    100.0: ("dm", "decimeter", "decimetre"),
    1000.0: ("m", "meter", "metre"),
    1e-3: ("um", "µm", "μm", "micron", "micrometer", "micrometre"),
    1e-6: ("nm", "nanometer", "nanometre"),
    25.4: ("in", "inch"),
}  # fmt: skip
"""What is not stated is taken for millimetres, as by every program."""
_NRRD_BYTES = {
    1: ("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"),
    2: ("short", "short int", "signed short", "signed short int", "int16", "int16_t", "ushort", "unsigned short",
        "unsigned short int", "uint16", "uint16_t"),
    4: ("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t", "float"),
    8: ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t",
        "ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t", "double"),
}  # fmt: skip
_META_GEOMETRY = (
    *("TransformMatrix", "Orientation", "Rotation", "Offset", "Position", "Origin", "CenterOfRotation"),
    *("ElementSpacing", "ElementSize"),
)
_META_BYTES = {
    1: ("MET_CHAR", "MET_UCHAR"),
    2: ("MET_SHORT", "MET_USHORT"),
    4: ("MET_INT", "MET_UINT", "MET_LONG", "MET_ULONG", "MET_FLOAT"),
    8: ("MET_LONG_LONG", "MET_ULONG_LONG", "MET_DOUBLE"),
}


@dataclass(frozen=True, slots=True)
class TextHeader:
    """What the header of an NRRD or MetaImage file states.

    Attributes:
        n_bytes: Uncompressed size of the voxels it claims; 0 if it cannot be told.
        sizes: Voxels along each axis; empty if they are not whole numbers.
        n_axes: How many axes it claims, as text.
        is_compressed: Whether the voxels are.
        data_names: Files with the voxels; empty if they follow the header.
        has_voxel_size: Whether it states one for every axis.
        is_oriented: Whether it states how the axes lie in the patient.
        unit_mm: Length of its units along the axes of space.
        unknown_unit: A unit that it states and that is no known one, which is taken for millimetres.
        is_sane: Whether what it states of directions, place and voxel size are numbers of a size that a scan has, and
            no field is longer than its reader can take.
    """

    n_bytes: int
    sizes: tuple[int, ...]
    n_axes: str
    is_compressed: bool
    data_names: tuple[str, ...]
    has_voxel_size: bool
    is_oriented: bool
    unit_mm: Triple
    unknown_unit: str
    is_sane: bool


def read_text_header(image_path: Path) -> TextHeader:
    """Read the header of an NRRD or MetaImage file.

    Args:
        image_path: The file; whether it is NRRD is told from its first bytes.

    Returns:
        What it states; a damaged header states little, and SimpleITK refuses it.

    Source: teem.sourceforge.net/nrrd/format.html; itk.org, MetaIO.
    """
    with image_path.open("rb") as stream:
        head = stream.read(_LONGEST_HEADER)
    return _nrrd(head) if head.startswith(b"NRRD") else _metaimage(head)


def lies_beside(name: str) -> bool:
    """Whether a file of voxels that a header names is in the folder of the header.

    >>> lies_beside("ct.raw"), lies_beside("../ct.raw")
    (True, False)
    """
    return "/" not in name and "\\" not in name and name not in {"", ".", ".."}


def check_text_header(image_path: Path, header: TextHeader) -> list[Fault]:
    """Refuse a header that claims more than its file holds or names files elsewhere.

    Args:
        image_path: The file.
        header: From :func:`read_text_header`.

    Returns:
        A warning "voxel-size-missing" or "voxel-size-unit", or nothing.

    Raises:
        VolumeError: With code "file-unreadable" (no usable size or geometry, on which SimpleITK may hang or crash),
            "data-elsewhere", "file-missing", "file-truncated" or "file-too-large".
    """
    if header.n_axes != str(len(header.sizes)) or not all(0 < size < _LARGEST_AXIS for size in header.sizes):
        raise VolumeError(
            "file-unreadable", "does not state the size of its image in its header.", "Copy or export the file again."
        )
    if not header.is_sane:
        raise VolumeError("file-unreadable", "states what no scan has in its header.", "Copy or export the file again.")
    stored = 0
    for name in header.data_names:
        if not lies_beside(name):
            raise VolumeError(
                "data-elsewhere",
                "names a file with its voxels that does not lie beside it.",
                "Put both into one folder and name the file without a folder, or convert the image to one file.",
            )
        if "%" not in name:
            data_path = image_path.parent / name
            if not data_path.is_file():
                raise VolumeError(
                    "file-missing",
                    "names a file with its voxels that is not there.",
                    "Put it beside the header, or convert the image to one file.",
                )
            stored += data_path.stat().st_size
        else:  # one file a slice
            stored += sum(path.stat().st_size for path in image_path.parent.iterdir() if path.is_file())
    if not header.data_names:
        stored = image_path.stat().st_size
    ratio = LARGEST_RATIO if header.is_compressed else 1
    size = " × ".join(map(str, header.sizes))
    require_plausible(header.n_bytes, stored, f"an image of {size} voxels", ratio=ratio)
    if header.has_voxel_size and not header.unknown_unit:
        return []
    if header.has_voxel_size:
        message = "states lengths in a unit that is not known; they were taken for millimetres."
        remedy = "State them in mm, or convert the scan from its DICOM series again; sizes on it are in doubt."
        return [Fault("voxel-size-unit", "warning", message, remedy)]
    message = "does not state the size of its voxels; they were taken to measure 1 × 1 × 1 mm."
    remedy = "Convert the scan from its DICOM series again; sizes on it mean nothing."
    return [Fault("voxel-size-missing", "warning", message, remedy)]


def _nrrd(head: bytes) -> TextHeader:
    text = re.split(rb"\r?\n\r?\n", head, maxsplit=1)[0].decode("utf-8", "replace")
    lines = text.splitlines()
    fields: dict[str, str] = {}
    names: list[str] = []
    for at, line in enumerate(lines):
        key, colon, value = line.partition(":")
        if not colon or line.startswith("#") or value.startswith("="):
            continue
        key = key.strip().lower()
        fields[key] = value.strip()
        if key in {"data file", "datafile"}:
            words = value.split()
            if words[:1] == ["LIST"]:
                names = [name.strip() for name in lines[at + 1 :] if name.strip()]
                break
            names = [words[0] if words and "%" in words[0] else value.strip()]
    sizes = _whole(fields.get("sizes", ""))
    directions = re.findall(r"\([^)]*\)|none", fields.get("space directions", fields.get("spacedirections", "")))
    vectors = [vector for vector in directions if vector != "none"]
    has_directions = len(vectors) >= 3
    spacings = _NUMBER.findall(fields.get("spacings", ""))
    stated = fields.get("space units", fields.get("spaceunits", "")) if has_directions else fields.get("units", "")
    unit_mm, unknown_unit = _units([quoted or bare for quoted, bare in re.findall(r'"([^"]*)"|([^\s"]+)', stated)])
    encoding = fields.get("encoding", "raw").lower()
    return TextHeader(
        n_bytes=_claimed(
            sizes, fields.get("type", "").lower(), _NRRD_BYTES, is_text=encoding in {"txt", "text", "ascii"}
        ),
        sizes=tuple(sizes),
        n_axes=fields.get("dimension", ""),
        is_compressed=encoding not in {"raw", "txt", "text", "ascii", "hex"},
        data_names=tuple(name.removeprefix("./") for name in names),
        has_voxel_size=has_directions or len(spacings) >= 3,
        is_oriented=has_directions and "space" in fields,
        unit_mm=unit_mm,
        unknown_unit=unknown_unit,
        is_sane=_has_short_fields(head)
        and all(
            abs(float(number)) * min(*unit_mm, 1.0) < _FARTHEST_MM
            for name in ("space directions", "spacedirections", "space origin", "spaceorigin", "spacings")
            for number in _NUMBER.findall(fields.get(name, ""))
        ),
    )


def _has_short_fields(head: bytes) -> bool:
    for line in re.split(rb"\r?\n", re.split(rb"\r?\n\r?\n", head, maxsplit=1)[0]):
        is_free = line.startswith(b"#") or b":=" in line or line.lower().startswith(b"content:")
        if len(line) > _LONGEST_NRRD_LINE and not is_free:
            return False
    return True


def _metaimage(head: bytes) -> TextHeader:
    fields: dict[str, str] = {}
    names: list[str] = []
    lines = head.split(b"\n")
    for at, line in enumerate(lines):
        key, equals, value = line.decode("utf-8", "replace").partition("=")
        if not equals:
            continue
        fields[key.strip()] = value.strip()
        if key.strip() == "ElementDataFile":
            names = [value.strip()]
            if value.split()[:1] == ["LIST"]:
                names = [name.decode("utf-8", "replace").strip() for name in lines[at + 1 :] if name.strip()]
            elif "%" in value:
                names = value.split()[:1]
            break
    is_local = [name.upper() for name in names] == ["LOCAL"]
    channels = _whole(fields.get("ElementNumberOfChannels", "1"))[:1]
    sizes = _whole(fields.get("DimSize", ""))
    is_oriented = any(name in fields for name in ("TransformMatrix", "Orientation", "Rotation"))
    unit_mm, unknown_unit = _units([fields.get("DistanceUnits", "")] * 3)
    return TextHeader(
        n_bytes=_claimed([*sizes, *channels] if sizes else [], fields.get("ElementType", ""), _META_BYTES),
        sizes=tuple(sizes),
        n_axes=fields.get("NDims", ""),
        is_compressed=fields.get("CompressedData", "").lower() == "true",
        data_names=() if is_local else tuple(name.removeprefix("./") for name in names),
        has_voxel_size=any(
            len(_NUMBER.findall(fields.get(name, ""))) >= 3 for name in ("ElementSpacing", "ElementSize")
        ),
        is_oriented=is_oriented,
        unit_mm=unit_mm,
        unknown_unit=unknown_unit,
        is_sane=all(len(fields.get(name, "").encode()) <= _LONGEST_META_TEXT for name in _META_TEXTS)
        and all(
            _NUMBER.fullmatch(word) and abs(float(word)) * min(*unit_mm, 1.0) < _FARTHEST_MM
            for name in _META_GEOMETRY
            for word in fields.get(name, "").split()
        ),
    )


def _units(names: Sequence[str]) -> tuple[Triple, str]:
    """Return the lengths of three units in mm, and the first that is not known."""
    lengths = {name: length for length, names in _MM_OF_UNIT.items() for name in names}
    plain = [name.strip().casefold() for name in [*names, "", "", ""][:3]]
    plain = [
        next((one for one in (name, name.removesuffix("s"), name.removesuffix("es")) if one in lengths), name)
        for name in plain
    ]
    x_mm, y_mm, z_mm = (lengths.get(name, 1.0) for name in plain)
    return (x_mm, y_mm, z_mm), next((name for name in plain if name not in lengths), "")


def _whole(text: str) -> list[int]:
    words = text.split()
    return [int(word) for word in words] if all(word.isdecimal() and len(word) < 20 for word in words) else []


def _claimed(sizes: list[int], kind: str, bytes_of: Mapping[int, tuple[str, ...]], *, is_text: bool = False) -> int:
    size = next((size for size, kinds in bytes_of.items() if kind in kinds), 0)
    return math.prod(sizes) * (1 if is_text else size) if sizes else 0
