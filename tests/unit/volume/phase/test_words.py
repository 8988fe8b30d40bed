import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nephrograde.volume.dicom.header import SeriesHeader
from nephrograde.volume.phase.evidence import PHASES
from nephrograde.volume.phase.words import judge_words, normalise, read_words, reason_not_a_scan, weigh

UP = [
    "unenhanced",
    "Non_Contrast 5.0 B30f",
    "NONCON",
    "non-enhanced",
    "PRE LIVER",
    "Kids w/o 5.0 B40f",
    "KIDNEYS I-  5.0",
]
UP += ["KIDNEYS  I - 5.0 B20f", "ABD/PELVIS C-", "AX THK NC", "Body 5.0 without", "CT IVP NO CONTRAST", "CE(-)"]
UP += [
    "Contrast/Bolus Agent: NONE",
    "平扫",
    "上腹部平扫",
    "平掃",
    "非增强",
    "natywna",
    "bez kontrastu",
    "Przed kontrsatem",
]
UP += ["nativ", "Native 5.0 B30f", "ohne KM", "vor KM", "Ｃ－"]
CMP = [
    "ARTERIAL PHASE 2.0 B31f",
    "AX THN ART",
    "Late art. phase",
    "cortico-medullary",
    "CORTICAL SS 40",
    "HAP",
    "45 Sec",
]
CMP += [
    "动脉期",
    "動脈期",
    "皮髓质期",
    "皮质期",
    "腹部增强 动脉晚期",
    "faza tętnicza",
    "F.TETNICZA 1.5 I31s",
    "FAZA TETNIC",
]
CMP += ["korowo-rdzeniowa", "arteriell", "kortikomedulläre Phase", "Arterail", "delayed arterial 3.0"]
NP = ["VENOUS", "Portal Venous 5.0", "RENAL VEN.  3.0", "Nephro", "NEPHROGENIC", "PARANCHYMAL", "Delay Nephro 5.0 B31f"]
NP += ["100s Kidneys", "70 sec AP", "+C 90SEC PREP", "静脉期", "門脈期", "肾实质期", "实质期", "faza żylna", "F. ZYLNA"]
NP += [
    "miąższowa",
    "wrotna",
    "venös",
    "venoese Phase",
    "portalvenös",
    "Parenchymphase",
    "1分30秒",
    "PVP",
    "late portal",
]
EP = [
    "3 MIN DELAY",
    "8MIN AP 5.0 B31f",
    "DELAYED",
    "late",
    "EXCRETORY",
    "PO 5 MIN",
    "300 sec delay",
    "延迟期",
    "延遲期",
]
EP += [
    "延时扫描3分钟",
    "排泄期",
    "opóźniona",
    "F. OPOZ.",
    "pozna - 10 min",
    "wydalnicza",
    "Spätphase",
    "Ausscheidungsphase",
]
EP += ["dealyed", "KID W 1.5 B30fDELAY COR/SAG"]
NAMED = [(text, phase) for phase, texts in zip(PHASES, (UP, CMP, NP, EP), strict=True) for text in texts]


def weighed(text: str) -> dict[str, float]:
    likelihood = weigh(read_words(text))
    assert likelihood is not None, text
    return likelihood


@pytest.mark.parametrize(("text", "phase"), NAMED, ids=[text for text, _ in NAMED])
def test_words_of_four_languages_name_their_phase(text, phase):
    likelihood = weighed(text)
    assert max(PHASES, key=likelihood.__getitem__) == phase
    assert likelihood[phase] > 0.8 * sum(likelihood.values())


@pytest.mark.parametrize(
    "text",
    [
        "CAP",
        "AP",
        "C-A-P",
        "C/A/P (RENAL)",
        "A/P",
        "AbdRoutine 5.0 B30s"[:3],
        "COR MIP",
        "HEART",
        "VENTRAL",
        "SAG",
        "BILATERAL",
        "Pre Procedure",
        "PRE-OP",
        "Post Stent 3.0",
        "POST NEPHRECTOMY 150CC",
        "nephrostomy",
        "5.0 B30s",
        "0,OPL,SE,VZOOM,T20s,512,na,80,266.5",
        "HELICAL 5's",
        "SOFT 5s",
        "3D MinIP",
        "静脉肾盂造影",
        "oral contrast",
        "SliceTh-3_SliceInc-1.5_ReconFilter-C",
        "no delay",
        "LUNG B70f",
        "Br40 3",
        "",
        "???",
        "主动脉弓",
        "without 3D",
        "Individually captured images",
        "follow up",
        "stage IV",
        "80/60",
        "COLLECTION",
        "recon C - ACRIN",
        "Nat Fill",
    ],
)
def test_what_only_looks_like_a_phase_says_nothing(text):
    assert weigh(read_words(text)) is None


@pytest.mark.parametrize(
    "text", ["W&WO", "w/o and w", "with and without", "平扫+增强", "三期", "3-phase", "nativ + KM", "3 fazy", "C-/C+"]
)
def test_several_phases_name_none(text):
    reading = read_words(text)
    assert [meaning for meaning, _ in reading.meanings if meaning == "several"]
    assert weigh(reading) is None


WITHOUT = [
    *("abdomen sin contraste", "TC sin medio de contraste", "abdomen S/C", "sense contrast", "TAC simple de abdomen"),
    *("addome senza contrasto", "senza mdc", "addome s/mdc", "fase basale", "prima del mezzo di contrasto"),
    *("abdome sem contraste", "antes do contraste", "não contrastado", "abdomen zonder contrast", "blanco abdomen"),
    *("buk utan kontrast", "före kontrast", "nyre uden kontrast", "u/kontrast", "nyrer uten kontrast", "ikke kontrast"),
    *("vatsa ilman varjoainetta", "varjoaineeton", "natiivi", "ilma kontrastaineta", "abdomen ohne Kontrast"),
    *("ohne i.v. KM-Gabe", "KM-frei", "kein Kontrastmittel", "vor KM", "sans injection", "sans produit de contraste"),
    *("avant injection", "non injecté", "sans PDC", "fără contrast", "fara substanta de contrast", "nativ"),
    *("jama brzuszna bez kontrastu", "bez podania środka kontrastowego", "przed podaniem kontrastu", "bezkontrastowe"),
    *("bez k.l.", "před aplikací k.l.", "bez kontrastní látky", "pred kontrastom", "brez kontrasta", "prije kontrasta"),
    *("kontraszt nelkul has", "kontrasztanyag nélkül", "kontraszt előtt", "kontrasztmentes", "kontrastsız batın"),
    *("kontrastsiz batin", "kontrast madde verilmeden", "kontrast öncesi", "be kontrasto", "bez kontrastvielas"),
    *("без контраста", "до введения контраста", "бесконтрастная", "нативная фаза", "без КУ", "без контрасту"),
    *(
        "χωρίς σκιαγραφικό",
        "προ σκιαγραφικού",
        "tanpa kontras",
        "không thuốc cản quang",
        "未注射对比剂",
        "注射造影剂前",
    ),
    *(
        "无造影剂",
        "没有打药",
        "造影なし",
        "非造影",
        "造影剤使用せず",
        "造影前",
        "単純CT",
        "조영제 없이",
        "비조영",
        "조영 전",
    ),
    *("ללא חומר ניגוד", "بدون صبغة", "قبل التباين", "بدون کنتراست", "NON / CONTRAST", "Kontrastmittel: nein"),
    *(
        "zonder i.v. contrast",
        "ilman kontrastia",
        "未行增强",
        "조영증강전",
        "belum kontras",
        "kontrasız",
        "addome s.m.d.c.",
    ),
    *("W_O_CONTRAST", "contrast: none"),
]


@pytest.mark.parametrize("text", WITHOUT)
def test_without_contrast_is_unenhanced_in_any_language(text):
    likelihood = weighed(text)
    assert max(PHASES, key=likelihood.__getitem__) == "up"
    assert likelihood["up"] > 0.8 * sum(likelihood.values())


@pytest.mark.parametrize(
    "text",
    [
        *(
            "abdomen con contraste",
            "C/C 2.5mm",
            "con mdc",
            "com contraste",
            "met contrast",
            "med kontrast",
            "m/kontrast",
        ),
        *("varjoaineen jälkeen", "mit KM", "nach Kontrastmittelgabe", "avec injection", "cu contrast", "z kontrastem"),
        *("po kontraście", "s k.l.", "po podání k.l.", "s kontrastom", "nakon kontrasta", "kontraszt után"),
        *("kontrast sonrası", "su kontrastu", "с контрастом", "после введения контраста", "з контрастом"),
        *(
            "με σκιαγραφικό",
            "dengan kontras",
            "có thuốc cản quang",
            "注射造影剂后",
            "造影後",
            "조영 후",
            "מעם חומר ניגוד"[1:],
        ),
        *("مع التباين", "without delay, with contrast", "w/contrast", "with oral and IV contrast"),
    ],
)
def test_with_contrast_rules_out_unenhanced_in_any_language(text):
    likelihood = weighed(text)
    assert min(likelihood, key=likelihood.__getitem__) == "up"


@pytest.mark.parametrize(
    "text",
    [
        *("Bez kontrastu + po kontraście", "Bez kontrastu + po kontrast", "sin y con contraste", "con y sin contraste"),
        *("senza e con mdc", "sem e com contraste", "ohne und mit KM", "sans et avec injection", "S/C y C/C"),
        *("zonder en met contrast", "utan och med kontrast", "bez a s kontrastem", "fara si cu contrast"),
        *("без и с контрастом", "до и после контраста", "kontrast öncesi ve sonrası", "W/ + W/O CONTRAST"),
        *("造影前後", "造影前+造影後", "native and contrast", "kontraszt előtt és után"),
    ],
)
def test_without_and_with_contrast_names_no_phase(text):
    reading = read_words(text)
    assert "several" in {meaning for meaning, _ in reading.meanings}
    assert weigh(reading) is None


@pytest.mark.parametrize(
    "text", ["sin contraste oral", "ohne orales Kontrastmittel", "bez kontrastu doustnego", "without oral contrast"]
)
def test_contrast_by_mouth_says_nothing(text):
    assert weigh(read_words(text)) is None


def test_a_name_between_the_words_is_not_quoted():
    assert read_words("bez Kowalski kontrastu").words == ("bez kontrastu",)


@pytest.mark.parametrize(
    "text", ["ISOVUE370", "OMNIPAQUE 300", "C+ Ap", "I+", "with non-ionic contrast", "KIDNEY W 3.0"]
)
def test_enhanced_rules_out_unenhanced_and_no_more(text):
    likelihood = weighed(text)
    assert min(likelihood, key=likelihood.__getitem__) == "up"
    assert max(likelihood.values()) < 0.5 * sum(likelihood.values())


@pytest.mark.parametrize(
    ("text", "pair"),
    [("Art/Ven", {"cmp", "np"}), ("I+ NEPHRO/EXCRETORY PHASES", {"np", "ep"}), ("VENOUS & DELAY", {"np", "ep"})],
)
def test_two_phases_in_one_text_are_equally_probable(text, pair):
    likelihood = weighed(text)
    assert set(sorted(PHASES, key=likelihood.__getitem__)[-2:]) == pair
    assert max(likelihood.values()) < 0.55 * sum(likelihood.values())


def test_a_delay_beside_another_part_of_the_body_is_weak():
    joined, alone = weighed("CHEST & DELAY BLADDER"), weighed("DELAY BLADDER")
    assert joined["ep"] / sum(joined.values()) < 0.6 < alone["ep"] / sum(alone.values())


@pytest.mark.parametrize(
    ("text", "delay_s"),
    [
        ("100s", 100.0),
        ("2,5 min", 150.0),
        ("5MM---150SEC POST INJ. DELAY", 150.0),
        ("1min30s", 90.0),
        ("延迟3分钟", 180.0),
    ],
)
def test_a_delay_is_read_in_seconds(text, delay_s):
    assert [seconds for seconds, _ in read_words(text).delays_s] == [delay_s]


@pytest.mark.parametrize(
    "text",
    [
        "Topogram 0.6 T20s",
        "SCOUT",
        "Smart Prep Series",
        "Monitoring 9.6 B30s",
        "Dose Report",
        "定位像",
        "Surview",
        "Localizer",
    ],
)
def test_localisers_and_bolus_tracking_come_in_no_phase(text):
    header = SeriesHeader(series_uid="1", description=text)
    reason = reason_not_a_scan(header)
    assert reason is not None
    assert text.split()[0].casefold()[:3] in dict(reason.parameters)["words"]
    (evidence,) = judge_words(header)
    assert set(evidence.likelihood.values()) == {1.0}


@pytest.mark.parametrize("text", ["Late_Arterial__VNC", "virtual non-contrast", "Iodine Map", "虚拟平扫"])
def test_virtual_images_of_a_spectral_scanner_come_in_no_phase(text):
    assert not read_words(text).is_scan


def test_other_modalities_and_the_image_type_localizer_come_in_no_phase():
    assert reason_not_a_scan(SeriesHeader(series_uid="1", description="arterial", modality="MR"))
    assert reason_not_a_scan(SeriesHeader(series_uid="1", modality="CT", image_type=r"ORIGINAL\PRIMARY\LOCALIZER"))
    assert not reason_not_a_scan(SeriesHeader(series_uid="1", modality="CT", image_type=r"ORIGINAL\PRIMARY\AXIAL"))


def test_the_study_without_contrast_does_not_overrule_an_enhanced_series():
    header = SeriesHeader(series_uid="1", description="arterial", study_description="CT ABDOMEN WITHOUT CONTRAST")
    series, study = judge_words(header)
    assert series.likelihood["cmp"] / series.likelihood["up"] > 5 * study.likelihood["up"] / study.likelihood["cmp"]


def test_what_the_study_repeats_or_says_worse_is_no_second_witness():
    repeated = SeriesHeader(
        series_uid="1", description="CAP Routine 5.0", study_description="Thorax^CAP_Routine (Adult)"
    )
    assert len(judge_words(repeated)) == 1
    vaguer = SeriesHeader(series_uid="1", description="DELAY", study_description="CT ABDOMEN W CONTRAST")
    assert len(judge_words(vaguer)) == 1
    copied = SeriesHeader(series_uid="1", description="Arterial 5.0 B30f", protocol="Arterial")
    assert len(judge_words(copied)) == 1
    another = SeriesHeader(series_uid="1", description="ABD 5.0", protocol="Arterial")
    assert [evidence.seen.text for evidence in judge_words(another)] == ["words.found:words=arterial;place=protocol"]


def test_only_words_for_phases_are_quoted():
    header = SeriesHeader(
        series_uid="1", description="Kowalski Jan 动脉期王小明 tętnicza 19500101", study_description="王小明平扫"
    )
    assert [dict(evidence.seen.parameters) for evidence in judge_words(header)] == [
        {"words": "动脉期, tetnicza", "place": "series description"},
        {"words": "平扫", "place": "study description"},
    ]


@given(st.sampled_from([text for text, _ in NAMED if text.isascii()]))
def test_case_and_underscores_change_nothing(text):
    spaced = text.upper().replace(" ", "_")
    assert weigh(read_words(spaced)) == weigh(read_words(text.lower()))


@pytest.mark.parametrize("right", ["arterial", "delayed", "excretory", "parenchymal", "unenhanced"])
@given(data=st.data())
def test_one_slip_of_the_hand_is_forgiven(right, data):
    place = data.draw(st.integers(1, len(right) - 2))
    letter = data.draw(st.sampled_from(string.ascii_lowercase))
    swapped = right[:place] + right[place + 1] + right[place] + right[place + 2 :]
    for slip in (right[:place] + right[place + 1 :], right[:place] + letter + right[place + 1 :], swapped):
        assert weigh(read_words(slip)) == weigh(read_words(right))


@given(st.text(max_size=80) | st.text(alphabet="artvendly 平扫动脉期0123456789minsec+-/&WO", max_size=40))
def test_any_text_is_read_and_gives_positive_likelihoods(text):
    reading = read_words(text)
    likelihood = weigh(reading)
    assert likelihood is None or (set(likelihood) == set(PHASES) and min(likelihood.values()) > 0)
    assert normalise(normalise(text)) == normalise(text) or not text.isascii()
