"""What a series is, other than a phase: a localiser, a projection, a dose sheet, or an axial stack to choose from.

Tags and geometry are believed first. Where they are not known, as in a public index, the words of the description
stand in for them.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Literal, TypeAlias

from nephrograde.volume.statement import Statement

if TYPE_CHECKING:
    from nephrograde.volume.dicom.header import SeriesHeader

Kernel: TypeAlias = Literal["soft", "medium", "sharp", "unknown"]

FEWEST_IMAGES = 10
"""Fewer slices show no whole kidney: 10 slices of 5 mm are half of one. Our choice."""
THICKEST_MM = 7.5
"""Older protocols take 7 and 7.5 mm; of thicker slices a tumour of 2 cm fills hardly two. Our choice."""
SHORTEST_MM = 50.0
"""Half the height of a kidney. Our choice."""

_THINNEST_MM = 0.05
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def _words(*stems: str) -> re.Pattern[str]:
    """A pattern for words: Latin ones as whole words, Chinese ones anywhere."""
    latin = [stem for stem in stems if stem.isascii() or not re.match("[\u3400-\u9fff]", stem)]
    chinese = [stem for stem in stems if stem not in latin]
    return re.compile("|".join([rf"(?<![^\W\d])(?:{'|'.join(latin)})(?![^\W\d])", *chinese]))


# English, Chinese, Polish and German as technicians write them, small letters, "_" and "^" as blanks.
_DOSE = _words(
    "dose (?:report|info|information|record|sheet|summary)", "patient protocol", "dosisbericht", "剂量报告", "剂量信息"
)
_LOCALISER = _words(
    *("scouts?", "topo", "topograms?", "topogramm", "locali[sz]ers?", "lokali[sz]er", "lokalizator", "surv?view"),
    *("surview", "scanograms?", "scanogramm", "scanoscope", "pilot", "ap ?/ ?lat", "übersicht", "定位", "侦察"),
)
_BOLUS = _words(
    *("smart ?prep(?: series)?", "(?:pre)?monitoring", "bolus ?track(?:ing)?", "test ?bolus", "timing bolus"),
    *("tracker", "locator", "sure ?start", "监测", "监控", "团注", "小剂量测试"),
)
_PROJECTION = _words(
    "mips?", "min ?ips?", "vrt?", "ssd", "cpr", "volume render(?:ing|ed)?", "最大密度", "最小密度", "容积再现"
)
_REFORMAT = _words("mprs?", "mpr range", "reformat(?:ted|s)?", "curved", "rekonstrukcja mpr", "重组", "曲面")
_AXIAL = _words("ax", "axials?", "tra", "transversal", "transverse", "axial[ey]?", "osiowe", "横断", "轴位")
_TILTED = _words(
    *("cor", "cors", "coro", "coronals?", "koronar(?:e)?", "czolow[aey]", "czołow[aey]", "sag", "sags", "sag+it+als?"),
    *("sagittale?", "strzalkow[aey]", "strzałkow[aey]", "obl", "obliques?", "冠状", "矢状", "冠矢", "斜位"),
)
_PLANES = {
    "c": "coronal",
    "k": "coronal",
    "冠": "coronal",
    "s": "sagittal",
    "矢": "sagittal",
    "o": "oblique",
    "斜": "oblique",
}
"""The plane by the first letter of a word of ``_TILTED``."""
_DERIVED = _words(
    *(
        "subtract(?:ion|ed)?",
        "perfusion",
        "cbf",
        "cbv",
        "mtt",
        "iodine(?: map)?",
        "iodkarte",
        "vnc",
        "virtual non.?contrast",
    ),
    *(
        "virtual unenhanced",
        "z ?eff",
        "overlay",
        "screen ?save",
        "key images?",
        "captured images",
        "processed images",
        "summary(?: series)?",
        "减影",
        "灌注",
        "碘图",
        "虚拟平扫",
    ),
)
_INTERVENTION = _words(
    *(
        "biops(?:y|ia|ie)",
        "drainage",
        "ablation",
        "ablacja",
        "punktion",
        "puncture",
        "needle",
        "cryo",
        "穿刺",
        "活检",
        "消融",
    ),
)
_ABDOMEN = _words(
    *("abd", "abdo", "abdomen", "abdominal", "ab"),
    *(
        "kidneys?",
        "kids?",
        "kidn",
        "renal",
        "nephro",
        "nephrographic",
        "nephrogram",
        "liver",
        "hepatic",
        "uro",
        "urogra(?:m|phy)",
    ),
    *("cap", "c ?[-/] ?a ?[-/] ?p", "a ?[-/] ?p", "tap", "t ?/ ?a ?/ ?p", "whole body", "body", "pancreas", "adrenal"),
    *(
        "brzuch",
        "brzuszna",
        "jama brzuszna",
        "nerk[ai]",
        "nerek",
        "watrob[ay]",
        "wątrob[ay]",
        "bauch",
        "nieren?",
        "leber",
    ),
    *("腹", "肾", "肝", "泌尿", "尿路", "胰", "全身"),
)
_ELSEWHERE = _words(
    *(
        "chest",
        "thorax",
        "thoracic",
        "thx",
        "lungs?",
        "pulmonary",
        "hrct",
        "mediastin(?:um|al)",
        "hires chest",
        "heart",
    ),
    *(
        "cardiac",
        "coronary",
        "head",
        "brain",
        "neck",
        "skull",
        "sinus",
        "spine",
        "pelvis",
        "pel",
        "pelv",
        "bladder",
        "leg",
    ),
    *(
        "klatka(?: piersiowa)?",
        "klp",
        "pluc[a]?",
        "płuc[a]?",
        "glowa",
        "głowa",
        "szyja",
        "miednica",
        "lunge",
        "kopf",
        "hals",
    ),
    *("becken", "hirn", "胸", "肺", "头", "颅", "颈", "心脏", "冠脉", "盆腔", "膀胱", "脊柱"),
)
_SHARP = _words(
    "lungs?",
    "bone(?:plus)?",
    "edge",
    "sharp",
    "lunge",
    "knochen",
    "kosc",
    "kość",
    "kosci",
    "płuc[a]?",
    "骨",
    "肺窗",
    "肺",
)
_SOFT = _words(
    "soft(?: tissue)?", "standard", "stnd", "std", "st", "miekkie", "miękkie", "weich(?:teil)?", "软组织", "标准"
)
_WINDOW = re.compile("window|fenster|窗")
_SIEMENS = re.compile(r"\b[bihdq][rvlfpq]?(\d{2})[a-z]?\b")
_CANON = re.compile(r"\bfc(\d{2})\b")
_WRITTEN_STEP = re.compile(r"(\d+(?:[.,]\d+)?) ?mm\b|(\d+\.\d+) +(?=[bihdq][rvlfpq]?\d{2}[a-z]?\b)")


def set_aside(header: SeriesHeader, *, has_kidneys: bool = False) -> Statement | None:
    """Say why a series is not a candidate for any phase; None where it is one.

    Args:
        header: The series.
        has_kidneys: Where the kidneys lie in its study is known, so that words about the body part are not needed.

    Returns:
        The reason.

    Source:
        ImageType: DICOM PS3.3 C.7.6.1.1.2 and C.8.2.1.1.1; words and limits: our choice.

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
    r"""Tell how soft the reconstruction kernel is.

    Args:
        header: The series; where the kernel is empty, the description often names it.

    Returns:
        "soft" for Siemens B, I, Br … below 46, GE STANDARD and SOFT, Canon FC00–19, Philips A and B; "medium" below
        60, GE DETAIL and Philips C; "sharp" for lung and bone.

    Source:
        The makers' names of kernels; the limits are our choice.

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
    # "LIVER LUNG" may be a lung kernel or a field of view: not set aside, but behind every soft kernel.
    return "medium" if found == "sharp" and _ABDOMEN.search(described) and not _WINDOW.search(described) else found


def _kernel_in(text: str) -> Kernel:
    if siemens := _SIEMENS.search(text):
        number = int(siemens[1])
        return "soft" if number < 46 else "medium" if number < 60 else "sharp"
    if canon := _CANON.search(text):
        number = int(canon[1])
        return "soft" if number < 20 else "sharp" if number // 10 in {3, 5, 8} else "medium"
    if _SHARP.search(text):
        return "sharp"
    return "soft" if _SOFT.search(text) else "unknown"


def step_of(header: SeriesHeader) -> float | None:
    """Tell how far apart the slices lie, mm: by their positions, else their thickness, else the description.

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
    """Bring a description into the form in which words are looked for: half-width, small letters, parted words.

    >>> plain("Venous_Phase^5.0  Ｂ30f"), plain("ChestAbdPel")
    ('venous phase 5.0 b30f', 'chest abd pel')
    """
    parted = re.sub(r"[_^\\]|(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFKC", text))
    return " ".join(parted.lower().split())


def _other_object(header: SeriesHeader) -> Statement | None:
    """No CT image at all."""
    text = plain(header.description)
    if header.modality not in {"CT", ""}:
        is_dose = header.modality == "SR" and "dose" in text
        return Statement.of("dose-sheet") if is_dose else Statement.of("not-ct", modality=header.modality)
    if _DOSE.search(text):
        return Statement.of("dose-sheet")
    if header.sop_class.startswith(_SECONDARY_CAPTURE) or header.samples > 1:
        return Statement.of("secondary-capture")
    return None


def _other_picture(header: SeriesHeader) -> Statement | None:
    """A CT image, but not of the slices as they were scanned."""
    text = plain(header.description)
    values = set(re.split(r"[\\_ ]", header.image_type.upper()))
    tags: tuple[tuple[str, set[str], re.Pattern[str]], ...] = (
        ("localiser", {"LOCALIZER", "SCOUT", "TOPOGRAM"}, _LOCALISER),
        ("bolus-tracking", {"MONITORING", "BOLUSTRACK"}, _BOLUS),
        ("projection", {"MIP", "MINIP", "PROJECTION", "VRT"}, _PROJECTION),
        ("reformat", {"MPR", "REFORMATTED", "CPR", "CURVED"}, _REFORMAT),
        ("derived-image", {"SUBTRACTION", "PERFUSION", "SCREEN", "PASTED", "IODINE"}, _DERIVED),
        ("intervention", {"BIOPSY"}, _INTERVENTION),
    )
    for code, named, words in tags:
        if values & named or words.search(text):
            return Statement.of(code)
    return Statement.of("derived-image") if {"DERIVED", "SECONDARY"} <= values else None


def _other_shape(header: SeriesHeader) -> Statement | None:
    """Too little to look at, or cut in another direction."""
    text = plain(header.description)
    step_mm = step_of(header)
    if header.orientation and header.orientation != "axial":
        return Statement.of("not-axial", plane=header.orientation)
    tilted = None if header.orientation else _TILTED.search(text)
    if tilted and not _AXIAL.search(text):
        return Statement.of("not-axial", plane=_PLANES[tilted.group()[0]])
    if header.n_images < FEWEST_IMAGES:
        return Statement.of("too-few-slices", n=header.n_images)
    if step_mm is not None and step_mm > THICKEST_MM:
        return Statement.of("slices-too-thick", step_mm=f"{step_mm:g}")
    if header.extent_mm is not None and header.extent_mm[1] - header.extent_mm[0] < SHORTEST_MM:
        return Statement.of("too-short", length_mm=f"{header.extent_mm[1] - header.extent_mm[0]:.0f}")
    return None


def _other_place(header: SeriesHeader) -> Statement | None:
    """Chest, head or pelvis, by the words of the series; where it has none, of its body part and study."""
    for text in (plain(header.description), plain(f"{header.body_part} {header.study_description}")):
        if _ABDOMEN.search(text):
            return None
        if _ELSEWHERE.search(text):
            return Statement.of("other-body-part")
    return None
