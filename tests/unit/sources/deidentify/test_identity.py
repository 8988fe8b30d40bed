"""Removal of the patient from descriptions, whatever the spelling, while words about the phases are kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nephrograde.sources.deidentify.identity import Identity

SOMEONE = Identity(
    names=("Kowalska-Nowak^Łucja Anna", "Wang^Xiaoming=王^小明"),
    numbers=("PL 123/45", "A7", "12", "0007812"),
    birth_dates=("19440514",),
    places=("Szpital św. Zmyślonego",),
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Arterial KOWALSKA", "Arterial"),
        ("lucja_nowak Faza żylna", "Faza żylna"),
        ("KowalskaLucja arterial", "arterial"),
        ("王小明 动脉期", "动脉期"),
        ("王 小明 动脉期", "动脉期"),
        ("XiaomingWang NP", "NP"),
        ("id PL 123/45 art", "id art"),
        ("0007812 venous 3.0 B30f", "venous 3.0 B30f"),
        ("Abdomen 12 mm", "Abdomen 12 mm"),
        ("ur. 14.05.1944 nativ", "ur nativ"),
        ("1944-05-14 C+", "C+"),
        ("1944年5月14日 平扫", "平扫"),
        ("szpital sw. zmyslonego jama brzuszna", "jama brzuszna"),
        ("exam of 3/7/2021 np", "exam of np"),
        ("call 601234567 or a.b@c.pl", "call or"),
        ("Arterial  2.0  B30f", "Arterial  2.0  B30f"),
        ("delay 100s, 8min, W&WO", "delay 100s, 8min, W&WO"),
    ],
)
def test_what_is_left_of_a_description(text, wanted):
    assert SOMEONE.removed_from(text).replace("ur. ", "ur ") == wanted


def test_a_name_made_of_ordinary_words_takes_none_of_them_but_goes_as_a_whole():
    study = Identity(names=("CRLM-CT-1004", "SYNTHETIC^0001"))
    assert study.removed_from("CT abdomen CRLM CT 1004 SYNTHETIC 0001 arterial") == "CT abdomen arterial"


def test_nobody_takes_nothing():
    assert Identity().removed_from("皮髓质期 1.0mm B30f") == "皮髓质期 1.0mm B30f"


def test_a_damaged_text_is_left_out_whole():
    assert Identity().removed_from("SYNTHETIC\x00\x08LO Kowalska") == ""


def test_what_one_file_knows_helps_with_another():
    joined = Identity(names=("Kowalska",)).joined(Identity(names=("Kowalska", "Nikt"), numbers=("99887",)))
    assert joined == Identity(names=("Kowalska", "Nikt"), numbers=("99887",))


@given(
    st.sampled_from(["Kowalska", "Łucja", "王小明", "Xiaoming", "19440514", "0007812"]),
    st.sampled_from([str.upper, str.lower, str.title, str]),
    st.text(alphabet="abc 123_-^/平扫żł.", max_size=12),
    st.text(alphabet="abc 123_-^/平扫żł.", max_size=12),
)
def test_no_name_or_number_is_left_wherever_it_stands(planted, spelt, before, after):
    left = SOMEONE.removed_from(f"{before} {spelt(planted)} {after}")
    assert planted.casefold() not in left.casefold()
    assert SOMEONE.removed_from(left) == left or len(SOMEONE.removed_from(left)) < len(left)
