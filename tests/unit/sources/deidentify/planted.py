"""A file with an identifier of its own in every attribute of DICOM's dictionary, and a count of what survives."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pydicom
from pydicom import DataElement, Dataset
from pydicom._dicom_dict import DicomDictionary
from pydicom.config import IGNORE
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.tag import Tag
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, RLELossless, generate_uid

if TYPE_CHECKING:
    from pathlib import Path

IDENTITY = {
    "PatientName": "Brzęczyszczykiewicz^Wiesława",
    "PatientID": "KH-00987654",
    "PatientBirthDate": "19440514",
    "AccessionNumber": "ACC7712345",
    "InstitutionName": "Szpital Zmyślony",
    "ReferringPhysicianName": "Nieznalski^Dobromir",
}
SPELLINGS = [
    *("Brzęczyszczykiewicz", "BRZECZYSZCZYKIEWICZ", "Brzęczyszczykiewicz Wiesława", "wieslawa", "Nieznalski"),
    *(
        "Ｗｉｅｓｌａｗａ",
        "Wies\u00adlawa",
        "Wies\u200blawa",
        "DobromirNieznalski",
        "KH-00987654",
        "KH00987654",
        "MRN987654",
    ),
    *("987654", "98 76 54", "14.05.1944", "14 May 1944", "14MAY1944", "140544", "1944-05-14", "ACC7712345"),
    *("szpital zmyslony", "Szpital_Zmyślony"),
]
"""Spellings of the identity above, as they occur in descriptions."""

_SCAFFOLD = {
    *("SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientID"),
    *("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel"),
    *("NumberOfFrames", "PixelData", "FloatPixelData", "DoubleFloatPixelData", "PatientIdentityRemoved"),
    *("BurnedInAnnotation", "DeidentificationMethod", "LongitudinalTemporalInformationModified"),
}
"""What an object must have to be read at all, or what is replaced in any case. Planted in an item instead."""

_BINARY = {"US", "SS", "UL", "SL", "FL", "FD", "SV", "UV", "AT", "US or SS"}


def token_of(tag: int, place: str) -> str:
    """Return an identifier that occurs in one attribute only."""
    letters = f"{tag:08x}".translate(str.maketrans("0123456789abcdef", "BCDFGHJKLMNPRSVX"))
    return f"Z{letters}{'I' if place == 'item' else 'T'}"


def planted_headers(place: str) -> tuple[dict[str, Dataset], dict[bytes, str]]:
    """Plant an identifier into every attribute of the dictionary.

    Args:
        place: "top" for the header itself, "item" for an item of a sequence.

    Returns:
        One header for each type of attributes, and the type by identifier.
    """
    headers: dict[str, Dataset] = {}
    planted: dict[bytes, str] = {}
    for tag, (vr, _, _, _, keyword) in sorted(DicomDictionary.items()):
        if not 0x0008 <= tag >> 16 < 0x7FE0 or vr in {"NONE", "SQ"} or (place == "top" and keyword in _SCAFFOLD):
            continue
        token = token_of(tag, place)
        if vr == "UI":
            token = f"1.2.840.10008.{tag % 10**9}.{44051 if place == 'item' else 44052}"
        content = token.encode()
        if vr in _BINARY:
            content = (token[1:9] if place == "top" else token[1:9].lower()).encode()
        kind = vr.split(" or ")[0 if vr == "US or SS" else -1]
        raw = content + b" " * (len(content) % 2)
        element = RawDataElement(Tag(tag), kind, len(raw), raw, 0, False, True)
        headers.setdefault(kind, Dataset())[Tag(tag)] = element
        planted[content] = f"{'item, ' if place == 'item' else ''}{vr}"
    return headers, planted


def base_image(name: str) -> Dataset:
    """A CT slice without anything planted; another one for each name."""
    image = Dataset()
    image.SpecificCharacterSet = "ISO_IR 192"
    image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, generate_uid(entropy_srcs=[name])
    image.StudyInstanceUID, image.SeriesInstanceUID = (
        generate_uid(entropy_srcs=[level]) for level in ("study", "series")
    )
    for keyword, text in IDENTITY.items():
        setattr(image, keyword, text)
    image.Modality, image.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows, image.Columns, image.PixelRepresentation = 8, 8, 0
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 12, 11
    image.PixelData = np.arange(64, dtype="<u2").tobytes()
    return image


def plant(folder: Path) -> dict[bytes, str]:
    """Write files with identifiers in every attribute and every other place.

    Args:
        folder: Where to write; its files are a whole export of one patient.

    Returns:
        What was planted: the place by identifier. An identifier is found by its bytes.
    """
    planted = {b"ZQPREAMBLE": "preamble", b"ZQAETITLE": "file meta information"}
    for place in ("top", "item"):
        headers, found = planted_headers(place)
        planted |= found
        for kind, header in headers.items():
            image = base_image(f"{place} {kind}")
            if place == "item":
                image.SourceImageSequence = [header]
            for element in list(header.values()) if place == "top" else ():
                image[element.tag] = element
            _save(image, folder / "ZQFOLDERNAME" / f"ZQFILENAME {place} {kind}.dcm")
    planted |= dict.fromkeys((b"ZQFOLDERNAME", b"ZQFILENAME"), "file name")
    for plant_more in (_plant_sequences, _plant_others, _plant_bytes, _plant_spellings):
        planted |= plant_more(folder)
    return planted


def _plant_others(folder: Path) -> dict[bytes, str]:
    image = base_image("others")
    block = image.private_block(0x0029, "ZQPRIVATECREATOR", create=True)
    block.add_new(0x10, "LO", "ZQPRIVATEVALUE")
    image.add_new(0x60000010, "US", 8)
    image.add_new(0x60003000, "OW", b"ZQOVERLAYDATA1")
    image.PixelData += b"ZQTRAILINGPIXELS"
    _save(image, folder / "others.dcm")
    private = dict.fromkeys((b"ZQPRIVATECREATOR", b"ZQPRIVATEVALUE"), "private")
    return private | {b"ZQOVERLAYDATA1": "overlay", b"ZQTRAILINGPIXELS": "after the pixels"}


def _plant_sequences(folder: Path) -> dict[bytes, str]:
    planted = {}
    image = base_image("sequences")
    for tag, (vr, *_) in DicomDictionary.items():
        if vr == "SQ" and 0x0008 <= tag >> 16 < 0x7FE0 and tag != 0x00283000:  # a modality table must be one
            item = Dataset()
            item.CodeMeaning = token = token_of(tag, "item").replace("Z", "Y", 1)
            item.PatientName = f"{token}^PN"
            image[tag] = DataElement(tag, "SQ", [item], validation_mode=IGNORE)
            planted[token.encode()] = "one item in each sequence"
    _save(image, folder / "sequences.dcm")
    return planted


def _plant_bytes(folder: Path) -> dict[bytes, str]:
    palette, framed = base_image("palette"), base_image("framed")
    colours = ("Red", "Green", "Blue")
    for colour in colours:
        setattr(palette, f"{colour}PaletteColorLookupTableDescriptor", [8, 0, 16])
        setattr(palette, f"{colour}PaletteColorLookupTableData", f"ZQLUT{colour:6}".encode() + b"12345")
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [8, 0, 16], b"ZQLUTDATAKOWALSK"
    table["LUTData"].VR = "OW"
    palette.VOILUTSequence = [table]
    _save(palette, folder / "palette.dcm")
    framed.file_meta = FileMetaDataset()
    framed.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    framed.compress(RLELossless, generate_instance_uid=False)
    framed.ExtendedOffsetTable, framed.ExtendedOffsetTableLengths = b"ZQOFFSETTABLE123", b"ZQOFFSETLENGTH12"
    frame = next(pydicom.encaps.generate_frames(framed.PixelData, number_of_frames=1))
    framed.PixelData = encapsulate([frame]).replace(
        b"\xfe\xff\x00\xe0\x04\x00\x00\x00\x00\x00\x00\x00", _item(b"ZQBASICOFFSETTAB"), 1
    )
    _save(framed, folder / "framed.dcm", syntax=RLELossless)
    planted = {f"ZQLUT{colour:6}".encode(): "lookup table" for colour in colours} | {b"ZQLUTDATA": "lookup table"}
    planted |= dict.fromkeys((b"ZQOFFSETTABLE", b"ZQOFFSETLENGTH", b"ZQBASICOFFSET"), "offset table")
    return planted


def _item(content: bytes) -> bytes:
    return b"\xfe\xff\x00\xe0" + len(content).to_bytes(4, "little") + content


def _plant_spellings(folder: Path) -> dict[bytes, str]:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for number, spelling in enumerate(SPELLINGS):
            image = base_image(f"spelling {number}")
            image.InstanceNumber = number
            image.SeriesDescription, image.StudyDescription = f"CT {spelling} art", f"{spelling}_abdomen"
            image.ProtocolName = spelling
            stream = io.BytesIO()
            _save(image, stream)
            archive.writestr(f"ZQMEMBERNAME{number}", stream.getvalue())
    (folder / "archive").write_bytes(content.getvalue())
    return {b"ZQMEMBERNAME": "file name"} | {text.encode(): "spelling in a description" for text in SPELLINGS}


def _save(image: Dataset, target: Path | io.BytesIO, syntax: str = ExplicitVRLittleEndian) -> None:
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = UID(syntax)
    image.file_meta.SourceApplicationEntityTitle = "ZQAETITLE"
    image.preamble = b"ZQPREAMBLE".ljust(128, b"\0")
    if not isinstance(target, io.BytesIO):
        target.parent.mkdir(parents=True, exist_ok=True)
    image.save_as(target, enforce_file_format=True)


def survivors(planted: dict[bytes, str], out_dir: Path) -> Counter[str]:
    """Count the identifiers that are in any byte or name below a folder, by place."""
    contents = [path.read_bytes() for path in sorted(out_dir.rglob("*")) if path.is_file()]
    contents.append("\n".join(str(path.relative_to(out_dir)) for path in out_dir.rglob("*")).encode())
    everything = b"\n".join(contents)
    return Counter(place for identifier, place in planted.items() if identifier in everything)
