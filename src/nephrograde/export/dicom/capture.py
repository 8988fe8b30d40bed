"""A grading as a Secondary Capture: the picture of the region and the answer in words, for a PACS that ignores SR."""

from __future__ import annotations

import io
import textwrap
from typing import TYPE_CHECKING, Final

import numpy as np

from nephrograde.export.dicom.report import MAKER
from nephrograde.export.dicom.words import RESEARCH, certainty, parameters, remarks, series_title
from nephrograde.version import __version__

if TYPE_CHECKING:
    import numpy.typing as npt
    from pydicom import Dataset

    from nephrograde.export.dicom.stamp import Stamp
    from nephrograde.predict.examined import Examined
    from nephrograde.predict.grader import Grader
    from nephrograde.volume.dicom.source_headers import SourceHeaders

SERIES_NUMBER: Final = 9202
_NARROWEST_PX = 960
_MARGIN_PX = 16
_BAR_PX = 44
_TEXT_PX = 18
_LINE_PX = 25
_CHARACTER_PX = 9.2
_BAR_RGB = (150, 0, 0)


def make_capture(grader: Grader, examined: Examined, sources: SourceHeaders, *, stamp: Stamp) -> Dataset:
    """Make the Secondary Capture of a grading, which says in its pixels that it is for research only.

    Args:
        grader: What graded the patient.
        examined: The graded patient.
        sources: The headers of the series on which the region lies.
        stamp: The moment and the UIDs.

    Source: DICOM PS3.3 A.8.1.
    """
    from highdicom.sc import SCImage
    from pydicom.uid import ExplicitVRLittleEndian

    grading = examined.grading
    words = [*certainty(examined), *parameters(grader, examined), *remarks(examined)]
    title = f"{RESEARCH} - NOT FOR CLINICAL USE" + (" - SYNTHETIC MODEL" if grading.synthetic else "")
    made: Dataset = SCImage.from_ref_dataset(
        sources.datasets[0],
        _pixels(examined.seen[examined.first].draw(), title, words),
        "RGB",
        8,
        "PATIENT",
        series_instance_uid=stamp.uid("capture", "series"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=stamp.uid("capture"),
        instance_number=1,
        manufacturer=MAKER,
        patient_orientation=("L", "P"),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        manufacturer_model_name="nephrograde",
        software_versions=__version__,
        series_description=series_title("region and grade", synthetic=grading.synthetic),
    )
    made.PatientOrientation = ""  # the sheet shows several planes
    made.Laterality = ""  # unknown: nobody told on which side the tumour is
    made.BurnedInAnnotation = "NO"  # the patient is not named in the pixels
    made.ImageComments = words[0]
    stamp.put_on(made)
    return made


def _pixels(picture_png: bytes, title: str, words: list[str]) -> npt.NDArray[np.uint8]:
    """The picture below a bar with the title, and above the words."""
    from PIL import Image, ImageDraw, ImageFont

    with Image.open(io.BytesIO(picture_png)) as opened:
        picture = opened.convert("RGB")
    width = max(picture.width + 2 * _MARGIN_PX, _NARROWEST_PX)
    width += width % 2
    columns = int((width - 2 * _MARGIN_PX) / _CHARACTER_PX)
    lines = [line for text in words for line in textwrap.wrap(text, columns, subsequent_indent="    ")]
    height = 2 * _BAR_PX + picture.height + 3 * _MARGIN_PX + len(lines) * _LINE_PX
    sheet = Image.new("RGB", (width, height + height % 2), (0, 0, 0))
    pen = ImageDraw.Draw(sheet)
    font, large = ImageFont.load_default(_TEXT_PX), ImageFont.load_default(_TEXT_PX + 6)
    for top in (0, sheet.height - _BAR_PX):
        pen.rectangle((0, top, width, top + _BAR_PX), fill=_BAR_RGB)
        pen.text((_MARGIN_PX, top + 8), title, fill=(255, 255, 255), font=large)
    sheet.paste(picture, ((width - picture.width) // 2, _BAR_PX + _MARGIN_PX))
    for number, line in enumerate(lines):
        place = (_MARGIN_PX, _BAR_PX + picture.height + 2 * _MARGIN_PX + number * _LINE_PX)
        pen.text(place, line, fill=(235, 235, 235), font=font)
    return np.asarray(sheet, dtype=np.uint8)
