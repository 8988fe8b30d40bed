"""Reading WHO/ISUP grades, the same way for cohort tables, joined tables and public cohorts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nephrograde.cohort.grade import read_grade


@pytest.mark.parametrize(
    "text",
    [
        "3",
        " 3 ",
        "03",
        "3.0",
        "3.",
        "3,0",
        "３",
        "３．０",
        "III",
        "iii",
        "Ⅲ",
        "ⅲ",
        "三",
        "G3",
        "g 3",
        "GIII",
        "Gr. 3",
        "Grade 3",
        "GRADE III",
        "grade: 3",
        "Grad 3",
        "stopień 3",
        "nuclear grade 3",
        "ISUP 3",
        "ISUP:3",
        "ISUP grade 3",
        "WHO/ISUP 3",
        "WHO / ISUP Grade III",
        "WHO-ISUP G3",
        "3级",
        "III级",
        "三级",
        "３级",
        "核分级3级",
        "WHO/ISUP核分级：Ⅲ级",
        "ISUP分级 3",
        "ISUP3级",
        "核分级：3级",
        "ＷＨＯ／ＩＳＵＰ　３级",
        "WHO/ISUP分级：Ⅲ级",
        "3级（WHO/ISUP）",
        "Grade 3 (WHO/ISUP 2016)",
        "2016 WHO/ISUP grade 3",
        "(WHO/ISUP) 3级",
        "ISUP（3级）",
        "病理分级3",
        "核级 Ⅲ",
        "ISUP-3",
        "ISUP_3",
        "ISUP=3",
        "Histologic grade 3",
        "Grado 3",
        "グレード3",
        "3級",
        "WHO/ISUP (2016) 3级",
        "WHO/ISUP（2016）3级",
        "WHO/ISUP 2016版 Ⅲ级",
        "WHO/ISUP(2016年版)核分级:3级",
        "WHO (2016)/ISUP 3",
        "WHO 2016 / ISUP G3",
        "WHO/ISUP 2022 G3",
        "WHO 2022 G3",
        "ISUP 2012 grade 3",
        "ISUP (2013): 3",
        "WHO/ISUP 5th edition, grade III",
        "WHO/ISUP（第5版）3级",
        "G.III",
        "G. 3",
        "G-3",
        "G:3",
        "ISUP分级：3级",
        "ISUP 分级 3 级",
        "ISUP核分级：III级。",
        "WHO/ISUP分级系统：3级",
        "(ISUP) G3",
        "[WHO/ISUP] 3",
        "WHO/ISUP: G 3",
        "ISUP - Grade 3",
        "WHO & ISUP 3",
        "世界卫生组织/国际泌尿病理协会 3级",
        "肿瘤核分级 3级",
        "Nuclear grade (WHO/ISUP): 3",
        "G3 (WHO/ISUP)",
        "G3, ISUP",
        "3 (ISUP grade)",
        "tumour grade = 3",
    ],
)
def test_spellings_of_grade_three(text: str) -> None:
    assert read_grade(text) == 3


@pytest.mark.parametrize("text", ["1", "G1", "I", "Ⅰ级", "一级"])
def test_spellings_of_grade_one(text: str) -> None:
    assert read_grade(text) == 1


@pytest.mark.parametrize(
    "text",
    [
        *("", "2-3", "2–3", "2/3", "2 3", "23", "G2-3", "G3/4", "II-III", "II/III", "2~3级", "1-2级"),
        *("I(II)", "I (I)", "G2(3)", "ISUP 2 3", "ISUP 2/3", "2级3级", "(2)(3)", "ISUP2016", "2016", "WHO/ISUP"),
        *("GX", "G", "GB", "x", "0", "5", "G5", "V", "IIII", "3.5", "3+", "-3", "≥3", ">2", "?3", "high", "高级别"),
        *("WHO 2004 grade 3", "WHO (2004) 3", "WHO/ISUP 2004 3", "2004 WHO G3", "WHO 1998 G2", "WHO 1973 grade 3"),
        *("WHO 2004/ISUP 3", "Fuhrman III级", "Furhman 2", "Fuhrman/ISUP 3", "WHO/Fuhrman G2", "Fuhrman核分级3级"),
        *("2016-3", "2016 3", "2016/3", "2022年3", "2016.3", "(2016) 3", "第5版3", "ISUP 2016-2017", "WHO 2016"),
        *(
            "ISUP grade group 3",
            "GG3",
            "ISUP 5",
            "G.",
            "G3期",
            "3 of 4",
            "3/4级",
            "G3 G3",
            "3级 (3级)",
            "=3",
            ":3",
            "/3",
        ),
        *("ISUP 3?", "ISUP ≥3", "ISUP ~3", "3-", "3/", "+3", "ISUP 3级 4级", "WHO/ISUP 3 (4)", "ISUP 33", "G13"),
        *("Fuhrman 3", "pT3", "T3", "III期", "stage III", "Not Reported", "not_applicable", "None", "3e0", "9" * 5000),
    ],
)
def test_what_may_be_another_grade_is_none(text: str) -> None:
    assert read_grade(text) is None


@given(st.text(max_size=20) | st.text(alphabet="0123IViv G.级-/WHOSUP", max_size=12))
def test_any_text_is_a_grade_or_none(text: str) -> None:
    assert read_grade(text) in {None, 1, 2, 3, 4}
