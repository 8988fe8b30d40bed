"""Which column of a hospital's table holds the patient's id, the grade and the day of surgery, by its heading."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HEADINGS: Final[dict[str, tuple[str, ...]]] = {
    "patient_id": (
        *("patientid", "patientno", "patientnr", "patientnumber", "pid", "caseid", "subjectid", "mrn", "hospitalid"),
        *("hospitalno", "hospitalnumber", "unitnumber", "病案号", "病历号", "住院号", "患者编号", "患者id", "病人id"),
        *("患者号", "病人号", "登记号", "门诊号", "病歷號", "病歷號碼", "住院號", "患者編號", "患者番号", "カルテ番号"),
        *("환자번호", "등록번호", "patientenid", "patientennummer", "patientennr", "fallnummer", "nrpacjenta"),
        *("idpacjenta", "numerpacjenta", "nrhistoriichoroby", "idpatient", "nip", "ipp", "idpaciente", "nhc"),
        *("idpaziente", "cislopacienta", "idpacienta", "hastano", "protokolno", "номеристорииболезни", "idпациента"),
        *("id", "编号", "編號"),
    ),
    "isup_grade": (
        *("isupgrade", "whoisupgrade", "isup", "whoisup", "isup分级", "whoisup分级", "whoisup核分级", "核分级"),
        *("病理分级", "组织学分级", "肿瘤分级", "病理核分级", "核级", "分级", "级别", "核分級", "分級", "病理分級"),
        *("nucleargrade", "histologicgrade", "histologicalgrade", "pathologicgrade", "pathologicalgrade"),
        *("tumorgrade", "tumourgrade", "nucleolargrade", "grade", "grading", "gradus", "grad", "tumorgrad", "stopien"),
        *("stopienzlosliwosci", "gradohistologico", "gradonuclear", "grado", "grau", "gradenucleaire", "グレード"),
        *("核異型度", "異型度", "등급", "핵등급", "derece", "степень", "степеньзлокачественности"),
    ),
    "surgery_date": (
        *("surgerydate", "dateofsurgery", "operationdate", "dateofoperation", "opdate", "nephrectomydate"),
        *("dateofnephrectomy", "surgery", "手术日期", "手术时间", "手术日", "手術日期", "手術日", "手術時間", "수술일"),
        *("수술날짜", "dataoperacji", "datazabiegu", "opdatum", "datumop", "operationsdatum", "dateoperation"),
        *("datechirurgie", "fechacirugia", "fechadecirugia", "datacirurgia", "datadacirurgia", "dataintervento"),
        *("datumoperace", "mutetdatuma", "ameliyattarihi", "датаоперации"),
    ),
}
"""Headings by standard name, without blanks, signs, accents and capital letters; the more specific ones come first."""

CASE_HEADINGS: Final = ("case", "caseno", "casenumber", "patient", "subject", "病例", "病例号")
"""Further headings of the patient's id in tables of reads and scores."""
TRUTH_HEADINGS: Final = (
    *("ishigh", "truth", "goldstandard", "groundtruth", "reference", "referencestandard", "label", "outcome"),
    *("disease", "diseased", "highgrade", "金标准", "真值", "真实", "真实类别", "参考标准", "标签", "结局", "高级别"),
    *("是否高级别", "金標準"),
)
"""Headings of the true class, likewise."""

OTHER_GRADES: Final = re.compile(
    "19[0-9]{2}|200[0-9]|fuhrman|furhman|gleason|bosniak|edmondson|furman|asa|stage|stadium|分期"
)
"""Systems that are not WHO/ISUP, and stages."""


def plain_heading(heading: str) -> str:
    """Reduce a heading to letters and digits.

    >>> [plain_heading(text) for text in ("WHO/ISUP 分级", "Patient-ID", "Stopień złośliwości")]
    ['whoisup分级', 'patientid', 'stopienzlosliwosci']
    """
    text = unicodedata.normalize("NFKD", heading.casefold().replace("ł", "l"))
    return unicodedata.normalize("NFC", "".join(character for character in text if character.isalnum()))


def headings_like(name: str, headings: Iterable[str]) -> list[str]:
    """Find the headings that mean a standard column.

    Args:
        name: A key of ``HEADINGS``.
        headings: The headings of a table.

    Returns:
        Those that match, the most specific first; for a grade also every heading that contains ISUP, unless it names
        another system.

    >>> headings_like("isup_grade", ("分级", "ISUP核分级（术后）", "Fuhrman grade"))
    ['ISUP核分级（术后）', '分级']
    """
    known = HEADINGS[name]
    ranked: list[tuple[int, int, str]] = []
    for place, heading in enumerate(headings):
        plain = plain_heading(heading)
        if name == "isup_grade" and OTHER_GRADES.search(plain):
            continue
        if plain in known:
            ranked.append((1 + known.index(plain), place, heading))
        elif name == "isup_grade" and "isup" in plain:
            ranked.append((len("isup"), place, heading))
    return [heading for *_, heading in sorted(ranked)]


def standard_headings(headings: Iterable[str], named: Mapping[str, str] | None = None) -> dict[str, str]:
    """Find the heading of each standard column: as named by the user, as it is called here, or under a usual name.

    Args:
        headings: The headings of a table.
        named: Headings by standard name that are known already.

    >>> standard_headings(["病案号", "核分级", "age_years"])
    {'patient_id': '病案号', 'isup_grade': '核分级'}
    """
    heading_of = dict(named or {})
    for name in HEADINGS:
        if name in heading_of:
            continue
        free = [heading for heading in headings if heading not in heading_of.values()]
        alike = [heading for heading in free if heading.casefold() == name] or headings_like(name, free)
        if alike:
            heading_of[name] = alike[0]
    return heading_of
