"""What a series is, apart from its phase: a localiser, a projection, a dose sheet, or an axial stack to choose from.

Tags and geometry take precedence. If they are unknown, as in a public index, the words of the description are used
instead.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Literal, TypeAlias

from nephrograde.sources.scan.kind_words import (
    ABDOMEN,
    AXIAL,
    BOLUS,
    DERIVED,
    DOSE,
    ELSEWHERE,
    INTERVENTION,
    LOCALISER,
    PLANES,
    PROJECTION,
    REFORMAT,
    SHARP,
    SOFT,
    TILTED,
)
from nephrograde.volume.statement import Statement

if TYPE_CHECKING:
    from nephrograde.volume.dicom.header import SeriesHeader

Kernel: TypeAlias = Literal["soft", "medium", "sharp", "unknown"]

FEWEST_IMAGES = 10
"""Fewer slices cannot show a whole kidney: 10 slices of 5 mm cover half of one."""
THICKEST_MM = 7.5
"""Older protocols use 7 and 7.5 mm; a 2 cm tumour fills barely two slices that are thicker."""
SHORTEST_MM = 50.0
"""Half the height of a kidney."""

_THINNEST_MM = 0.05
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_WINDOW = re.compile("window|fenster|窗")
_SIEMENS = re.compile(r"\b[bihdq][rvlfpq]?(\d{2})[a-z]?\b")
_CANON = re.compile(r"\bfc(\d{2})\b")
_WRITTEN_STEP = re.compile(r"(\d+(?:[.,]\d+)?) ?mm\b|(\d+\.\d+) +(?=[bihdq][rvlfpq]?\d{2}[a-z]?\b)")


def set_aside(header: SeriesHeader, *, has_kidneys: bool = False) -> Statement | None:
    """Return why a series is not a candidate for any phase; None if it is one.

    Args:
        header: The series.
        has_kidneys: The position of the kidneys in its study is known, so words about the body part are not needed.

    Returns:
        The reason.

    Source:
        DICOM PS3.3 C.7.6.1.1.2 and C.8.2.1.1.1 for ImageType.

    >>> from nephrograde.volume.dicom.header import SeriesHeader
    >>> texts = ["Topogram  0.6  T20s", "MIP Chest", "Arterial  5.0  SPO cor", "CHEST", "Faza zylna  5.0  miekkie"]
    >>> found = [set_aside(SeriesHeader(series_uid="1", modality="CT", n_images=80, description=one)) for one in texts]
    >>> [reason and reason.text for reason in found]
    ['localiser', 'projection', 'not-axial:plane=coronal', 'other-body-part', None]
    """
    return (
        _other_object(header)
        or _other_picture(header)
        or _other_shape(header)
        or (Statement.of("burnt-in-text") if header.burnt_in else None)
        or (Statement.of("sharp-kernel") if kernel_of(header) == "sharp" else None)
        or (None if has_kidneys and header.extent_mm is not None else _other_place(header))
    )


def kernel_of(header: SeriesHeader) -> Kernel:
    r"""Classify the sharpness of the reconstruction kernel.

    Args:
        header: The series; if the kernel is empty, the description often names it.

    Returns:
        "soft" for Siemens B, I, Br … below 46, GE STANDARD and SOFT, Canon FC00–19, Philips A and B; "medium" below
        60, GE DETAIL and Philips C; "sharp" for lung and bone.

    Source:
        Manufacturers' kernel names; the numeric limits are ours.

    >>> from nephrograde.volume.dicom.header import SeriesHeader
    >>> [kernel_of(SeriesHeader(series_uid="1", kernel=name)) for name in ("B31f", "Br40d\\3", "LUNG", "FC08", "")]
    ['soft', 'soft', 'sharp', 'soft', 'unknown']
    """
    named = plain(header.kernel)
    found = _kernel_in(named)
    if found == "unknown" and (philips := re.fullmatch(r"y?([a-el])", named)):
        return "soft" if philips[1] in "ab" else "medium" if philips[1] == "c" else "sharp"
    if found != "unknown" or "detail" in named:
        return found if found != "unknown" else "medium"
    described = plain(header.description)
    found = _kernel_in(described)
    # "LIVER LUNG" may be a lung kernel or a field of view: keep it, but rank it behind every soft kernel.
    return "medium" if found == "sharp" and ABDOMEN.search(described) and not _WINDOW.search(described) else found


def _kernel_in(text: str) -> Kernel:
    if siemens := _SIEMENS.search(text):
        number = int(siemens[1])
        return "soft" if number < 46 else "medium" if number < 60 else "sharp"
    if canon := _CANON.search(text):
        number = int(canon[1])
        return "soft" if number < 20 else "sharp" if number // 10 in {3, 5, 8} else "medium"
    if SHARP.search(text):
        return "sharp"
    return "soft" if SOFT.search(text) else "unknown"


def step_of(header: SeriesHeader) -> float | None:
    """Return the slice distance in mm: from the positions, else the thickness, else the description.

    >>> from nephrograde.volume.dicom.header import SeriesHeader
    >>> [step_of(SeriesHeader(series_uid="1", description=text)) for text in ("SAG 3MM", "Arterial  5.0  B31f", "+C")]
    [3.0, 5.0, None]
    """
    for known in (header.step_mm, header.thickness_mm):
        if known is not None and _THINNEST_MM <= known < float("inf"):
            return known
    written = _WRITTEN_STEP.search(plain(header.description))
    step_mm = float((written[1] or written[2]).replace(",", ".")) if written else 0.0
    return step_mm if 0.2 <= step_mm <= 20 else None


def plain(text: str) -> str:
    """Normalize a description for word matching: half-width, lower case, words separated.

    >>> plain("Venous_Phase^5.0  Ｂ30f"), plain("ChestAbdPel")
    ('venous phase 5.0 b30f', 'chest abd pel')
    """
    spaced = re.sub(r"[_^\\]|(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFKC", text))
    return " ".join(spaced.lower().split())


def _other_object(header: SeriesHeader) -> Statement | None:
    """Not a CT image at all."""
    text = plain(header.description)
    if header.modality not in {"CT", ""}:
        is_dose = header.modality == "SR" and "dose" in text
        return Statement.of("dose-sheet") if is_dose else Statement.of("not-ct", modality=header.modality)
    if DOSE.search(text):
        return Statement.of("dose-sheet")
    if header.sop_class.startswith(_SECONDARY_CAPTURE) or header.samples > 1:
        return Statement.of("secondary-capture")
    return None


def _other_picture(header: SeriesHeader) -> Statement | None:
    """A CT image, but not of the original slices."""
    text = plain(header.description)
    values = set(re.split(r"[\\_ ]", header.image_type.upper()))
    tags: tuple[tuple[str, set[str], re.Pattern[str]], ...] = (
        ("localiser", {"LOCALIZER", "SCOUT", "TOPOGRAM"}, LOCALISER),
        ("bolus-tracking", {"MONITORING", "BOLUSTRACK"}, BOLUS),
        ("projection", {"MIP", "MINIP", "PROJECTION", "VRT"}, PROJECTION),
        ("reformat", {"MPR", "REFORMATTED", "CPR", "CURVED"}, REFORMAT),
        ("derived-image", {"SUBTRACTION", "PERFUSION", "SCREEN", "PASTED", "IODINE"}, DERIVED),
        ("intervention", {"BIOPSY"}, INTERVENTION),
    )
    for code, named, words in tags:
        if values & named or words.search(text):
            return Statement.of(code)
    return Statement.of("derived-image") if {"DERIVED", "SECONDARY"} <= values else None


def _other_shape(header: SeriesHeader) -> Statement | None:
    """Too few images or too short, or cut in another direction."""
    text = plain(header.description)
    step_mm = step_of(header)
    if header.orientation and header.orientation != "axial":
        return Statement.of("not-axial", plane=header.orientation)
    tilted = None if header.orientation else TILTED.search(text)
    if tilted and not AXIAL.search(text):
        return Statement.of("not-axial", plane=PLANES[tilted.group()[0]])
    if header.n_images < FEWEST_IMAGES:
        return Statement.of("too-few-slices", n=header.n_images)
    if step_mm is not None and step_mm > THICKEST_MM:
        return Statement.of("slices-too-thick", step_mm=f"{step_mm:g}")
    if header.extent_mm is not None and header.extent_mm[1] - header.extent_mm[0] < SHORTEST_MM:
        return Statement.of("too-short", length_mm=f"{header.extent_mm[1] - header.extent_mm[0]:.0f}")
    return None


def _other_place(header: SeriesHeader) -> Statement | None:
    """Chest, head or pelvis, by the words of the series; if there are none, by those of its body part and study."""
    for text in (plain(header.description), plain(f"{header.body_part} {header.study_description}")):
        if ABDOMEN.search(text):
            return None
        if ELSEWHERE.search(text):
            return Statement.of("other-body-part")
    return None
