"""Which columns and cells of a hospital's table may be written beside pseudonyms: only those with a known meaning."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nephrograde.cohort.grade import read_grade
from nephrograde.cohort.headings import HEADINGS, headings_like, plain_heading
from nephrograde.sheet import is_blank
from nephrograde.volume.dicom.moment import read_day
from nephrograde.volume.phase.evidence import PHASES

if TYPE_CHECKING:
    from nephrograde.sources.identity.identity import Identity
    from nephrograde.sources.identity.people import People

_KINDS = ("mask", "point", "box", "slice", "pixel_mm", "kidneys")
_PLACES = frozenset(f"{phase}_{kind}" for phase in PHASES for kind in _KINDS)

_MEANINGS: Final[dict[str, str]] = {
    "age": (
        "age, patient age, age at surgery, age at operation, age at nephrectomy, age at diagnosis, age group, 年龄, "
        "手术年龄, 年齡, 年齢, 手術時年齢, 나이, 연령, Alter, Lebensalter, wiek, âge, edad, idade, età, věk, vek, "
        "életkor, yaş, leeftijd, ålder, alder, ikä, возраст, вік, ηλικία, العمر, starost"
    ),
    "sex": (
        "sex, gender, patient sex, 性别, 性別, 성별, Geschlecht, płeć, sexe, sexo, sesso, genere, pohlaví, "
        "pohlavie, nem, cinsiyet, geslacht, kön, kjønn, køn, sukupuoli, пол, стать, φύλο, الجنس, spol"
    ),
    "size": (
        "size, tumor size, tumour size, lesion size, mass size, diameter, tumor diameter, tumour diameter, "
        "max diameter, maximum diameter, maximal diameter, largest diameter, tumor maximum diameter, "
        "maximum tumor diameter, maximum tumour diameter, maximal tumor size, max size, pathologic size, "
        "pathological size, volume, tumor volume, tumour volume, 大小, 肿瘤大小, 肿瘤直径, 肿瘤最大径, "
        "肿瘤最大直径, 肿瘤长径, 长径, 最大径, 最大直径, 直径, 病灶大小, 肿瘤体积, 体积, 腫瘤大小, 腫瘤直徑, "
        "腫瘤最大徑, 腫瘍径, "
        "腫瘍最大径, 腫瘍サイズ, 最大腫瘍径, 腫瘍体積, 종양크기, 종양 직경, 최대직경, Tumorgröße, "
        "Tumordurchmesser, Größe, Durchmesser, Tumorvolumen, rozmiar, rozmiar guza, wielkość guza, średnica, "
        "średnica guza, największy wymiar, objętość guza, taille, taille tumorale, taille de la tumeur, diamètre, "
        "grand axe, volume tumoral, tamaño, tamaño tumoral, tamaño del tumor, diámetro, tamanho, "
        "tamanho do tumor, diâmetro, dimensione, dimensioni, dimensione tumore, diametro, velikost, "
        "velikost nádoru, průměr, veľkosť nádoru, tumorméret, tümör boyutu, tümör çapı, tumorgrootte, "
        "tumörstorlek, tumorstørrelse, kasvaimen koko, размер, размер опухоли, диаметр, диаметр опухоли, "
        "объем опухоли, розмір пухлини"
    ),
    "centre": (
        "centre, center, centre id, center id, site id, site, hospital, "
        "institution, clinic, 中心, 医院, 医疗中心, 机构, 醫院, 施設, 病院, 기관, "
        "병원, Zentrum, Klinik, Standort, ośrodek, szpital, hôpital, centro, ospedale, centrum, nemocnice, "
        "kórház, hastane, merkez, ziekenhuis, sjukhus, sykehus, центр, больница, клиника"
    ),
    "split": "split, set, cohort, group, dataset, fold, arm, 划分, 分组, 数据集, 組別, 队列, 群",
    "class": "is_high, high grade, low grade, grade group, grade class, grade binary, 高级别, 低级别, 高低级别",
    "grade of another system": (
        "Fuhrman, Fuhrman grade, Fuhrman grading, Fuhrman分级, Furhman, stopień Fuhrmana, grado de Fuhrman, "
        "grade de Fuhrman, grado di Fuhrman, Grad nach Fuhrman, градация по Фурману, Bosniak, ASA, ASA score, "
        "ASA class, ASA分级"
    ),
    "stage": (
        "stage, pT, pN, pM, cT, cN, cM, T stage, N stage, M stage, pT stage, cT stage, clinical stage, "
        "pathologic stage, pathological stage, TNM, pTNM, cTNM, TNM stage, AJCC, AJCC stage, Stadium, 分期, "
        "T分期, 病理T分期, 临床T分期, N分期, M分期, TNM分期, 临床分期, 病理分期, 臨床分期, 病期, 병기, "
        "stadium zaawansowania, stade, "
        "estadio, stadio, стадия"
    ),
    "histology": (
        "histology, histologic type, histological type, histologic subtype, subtype, histotype, tumor type, "
        "tumour type, necrosis, tumor necrosis, tumour necrosis, sarcomatoid, rhabdoid, sarcomatoid features, "
        "microvascular invasion, vascular invasion, margin, surgical margin, 病理类型, 组织学类型, 亚型, "
        "病理亚型, 坏死, 肿瘤坏死, 肉瘤样变, 脉管侵犯, 切缘, 組織型, 壊死, 조직형, Histologie, Nekrose, "
        "histologia, martwica, histologie, nécrose, histología, istologia, гистология, некроз"
    ),
    "place of the tumour": (
        "side, laterality, kidney side, tumor side, tumour side, location, tumor location, tumour location, pole, "
        "multifocal, multifocality, exophytic, RENAL score, RENAL nephrometry, RENAL nephrometry score, PADUA, "
        "PADUA score, C-index, 侧别, 侧, 左右, 肿瘤侧别, 部位, 肿瘤部位, 位置, 肿瘤位置, 側, 患側, 위치, 방향, "
        "Seite, Lokalisation, strona, lokalizacja, côté, localisation, lado, localización, lato, sede, сторона, "
        "локализация"
    ),
    "clinical value": (
        "BMI, body mass index, height, weight, ECOG, Karnofsky, smoking, smoker, smoking status, hypertension, "
        "diabetes, diabetes mellitus, CKD, comorbidity, Charlson, CCI, symptoms, symptomatic, hematuria, "
        "haematuria, creatinine, serum creatinine, eGFR, GFR, urea, BUN, hemoglobin, haemoglobin, Hb, platelets, "
        "PLT, WBC, neutrophils, lymphocytes, NLR, PLR, CRP, LDH, calcium, albumin, ALP, ESR, IMDC, SSIGN, Ki-67, "
        "Ki67, surgery type, type of surgery, surgical approach, procedure, "
        "nephrectomy, nephrectomy type, 身高, 体重, 体质指数, "
        "吸烟, 吸烟史, 高血压, 糖尿病, 血尿, 症状, 临床症状, 肌酐, 血肌酐, 血红蛋白, 血小板, 白细胞, 白蛋白, "
        "血钙, 尿素氮, 肾小球滤过率, 手术方式, 手术类型, 高血圧, 喫煙, 身長, 고혈압, 당뇨, 흡연, Gewicht, "
        "Raucher, Hypertonie, Kreatinin, wzrost, masa ciała, nadciśnienie, cukrzyca, palenie, kreatynina, IMC, "
        "hypertension artérielle, diabète, tabac, créatinine, hipertensión, tabaquismo, creatinina, ipertensione, "
        "diabete, рост, вес, ИМТ, гипертония, диабет, курение, креатинин"
    ),
    "imaging": (
        "manufacturer, scanner, kVp, slice thickness, contrast agent, enhancement, 扫描仪, 机型, 层厚, 强化方式, "
        "强化程度, 囊变, 钙化, cystic, calcification"
    ),
}
"""Headings by what they mean, in several languages; one matches as a whole, except for a unit at its end."""

_KNOWN: Final = frozenset(plain_heading(heading) for listed in _MEANINGS.values() for heading in listed.split(", "))

_UNIT = re.compile(
    r"(?:[\s_,;:/-]+|[\s_]*[(\[【]\s*|(?<=[\u3040-\u9fff\uac00-\ud7af]))"
    r"(?:in\s+)?(?:years?|yrs?|yr|y|jahren?|lat|lata|ans?|años|anos|anni|let|år|лет|岁|歲|歳|세|"
    r"cm3?|mm3?|ml|cc|cm\^3|mm\^3|kg|kg/m\^?2|g/d?l|mg/d?l|[uμµ]mol/l|mmol/l|ml/min(?:/1\.73\s*m\^?2)?|u/l|%|"
    r"厘米|毫米|毫升|公斤|0/1|m/f|f/m|男/女)\s*[)\]】]?\s*$"
)

_IDENTIFYING = re.compile(
    r"(?:record|hospital|study|nhs|path(?:ology)?|case|patient|specimen|admission|insurance|slide|serial)"
    r"[ _-]?(?:id|no|nr|number)\b|"
    r"(?:\b|_)id$|^patient$|^n[or]\.?$|\binit\b|[号號]$|编号|編號|"
    r"name|surname|birth|\bdob\b|address|phone|mobile|accession|passport|ssn|mrn|e-?mail|initials|contact|postal|"
    r"\bzip\b|uid\b|doctor|physician|surgeon|pathologist|operat(?:or|eur)|"
    r"姓名|名字|名前|氏名|出生|生日|生年月日|身份证|电话|電話|手机|地址|住址|住所|邮编|邮箱|联系人|医生|医師|医师|工作单位|"
    r"病案号|病历号|住院号|门诊号|登记号|检查号|影像号|病理号|标本号|医保号|就诊卡|番号|号码|"
    r"이름|성명|생년|주민|번호|전화|주소|"
    r"nazwisko|imi[ęe]|urodzenia|pesel|adres|telefon|telefo|teléfon|téléphone|"
    r"geburt|vorname|anschrift|\bnom\b|prénom|prenom|naissance|adresse|apellido|nombre|nacimiento|nascimento|nascita|"
    r"cognome|personnummer|f[øo]dsels|\bahv\b|фио|фамил|\bимя\b|отчеств|рожд|адрес|телеф|снилс|паспорт|почта"
)

_MAIL = re.compile(r"[^\s@<>;,]+\s?@\s?[^\s@<>;,]+\.\w{2,}")
_PHONE = re.compile(r"(?<![\w.,])(?:\+|tel\.?:?\s*)?\(?\d(?:[\s()./-]{0,2}\d){7,14}(?!\w)", re.IGNORECASE)
_NUMBER = re.compile(r"[-+<>=≤≥~±]*\s*(?:\d{1,3}|\d{1,5}[.,]\d+)\s*%?")


def is_known(heading: str) -> bool:
    """Whether a heading is known to describe a tumour or a patient, so that its column may be carried over.

    Args:
        heading: As in the table; a unit at its end does not matter.

    >>> [is_known(heading) for heading in ("Age (years)", "肿瘤大小（cm）", "płeć", "cmp_mask", "Name", "Age of Anna")]
    [True, True, True, True, False, False]
    """
    text = unicodedata.normalize("NFKC", heading).casefold().strip()
    if text in _PLACES:
        return True
    forms = {plain_heading(text), plain_heading(_UNIT.sub("", text))}
    return not forms.isdisjoint(_KNOWN) or not forms.isdisjoint(HEADINGS["isup_grade"])


def is_identifying(heading: str) -> bool:
    """Whether a heading says that its column identifies patients; such a column is not carried over on request either.

    Args:
        heading: As in the table.

    >>> [is_identifying(heading) for heading in ("ФИО", "氏名", "Hospital no.", "Operation date", "Remarks")]
    [True, True, True, True, False]
    """
    text = unicodedata.normalize("NFKC", heading).casefold()
    if text.endswith("_image") or any(headings_like(name, [heading]) for name in ("patient_id", "surgery_date")):
        return True
    return _IDENTIFYING.search(text) is not None


def is_revealing(
    name: str, cell: str, identity: Identity, people: People | None = None, *, public_id: str = ""
) -> bool:
    """Whether a cell must not be written beside a pseudonym.

    Args:
        name: The column. A full date is revealing in one whose meaning is known, as none of those contains dates.
            Grades that can be read and numbers of up to three digits never are.
        cell: Its text.
        identity: Who the patient is, from the headers of all files.
        people: All patients of the export.
        public_id: The patient's id, if it is written as it is.

    >>> from nephrograde.sources.identity.identity import Identity
    >>> who = Identity(names=("Meier^Anna",), numbers=("00771122",))
    >>> [is_revealing("sex", cell, who) for cell in ("F", "Anna Meier", "771122", "a@b.org", "+41 44 123 45 67")]
    [False, True, True, True, True]
    """
    if is_blank(cell) or _NUMBER.fullmatch(cell.strip()) or (name == "isup_grade" and read_grade(cell) is not None):
        return False
    if name in _PLACES:
        return False
    is_day = read_day(cell) is not None
    if _MAIL.search(cell) or (not is_day and _PHONE.search(unicodedata.normalize("NFKC", cell))):
        return True
    return (is_day and is_known(name)) or names_patient(cell, identity, people, public_id=public_id)


def names_patient(cell: str, identity: Identity, people: People | None = None, *, public_id: str = "") -> bool:
    """Whether a text contains a name, id, date of birth or address from the headers of the patient's files.

    A name or an id of another patient counts, too.

    Args:
        cell: The text, which may be a path.
        identity: Who the patient is.
        people: All patients of the export.
        public_id: The patient's id, if it is written as it is.

    >>> from nephrograde.sources.identity.identity import Identity
    >>> names_patient("masks/Meier.nii.gz", Identity(names=("Meier^Anna",)))
    True
    """
    if public_id:
        identity = replace(
            identity,
            names=tuple(one for one in identity.names if one != public_id),
            numbers=tuple(one for one in identity.numbers if one != public_id),
        )
    return identity.is_in(cell) or (people is not None and people.is_in(cell))


def is_place(name: str) -> bool:
    """Whether a column contains masks, points, boxes or slices, such as ``cmp_mask``.

    >>> is_place("np_box"), is_place("size_cm")
    (True, False)
    """
    return name in _PLACES
