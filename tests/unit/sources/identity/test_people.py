"""Names of other patients are removed from descriptions, but no word that is somebody's name by chance."""

import pytest

from nephrograde.sources.identity.people import People

NAME, ID = 0x00100010, 0x00100020


def people(*names, ids=()):
    found = People()
    for name in names:
        found.add([(NAME, name)])
    for patient_id in ids:
        found.add([(ID, patient_id)])
    return found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Zielinska^Ewa", "ZIELINSKA"),
        ("Zielinska^Ewa", "ewa_zielinska"),
        ("Zielinska^Ewa", "EwaZielinska"),
        ("Zielińska^Ewa", "ＺＩＥＬＩＮＳＫＡ"),
        ("Zielińska^Ewa", "Ziel\u200binskiej"),
        ("Zielinska^Ewa", "CTZIELINSKA"),
        ("Müller^Jörg", "Mueller"),
        ("Müller^Jörg", "M&uuml;ller"),
        ("Kowalczyk^Jan", "Kowalczyka"),
        ("Kowalczyk^Jan", "KOWALCZYKOWI"),
        ("Lewandowski^Piotr", "Lewandowskiego"),
        ("Lewandowska^Zofia", "Lewandowskiemu"),
        ("Lewandowska^Zofia", "Lewandowskich"),
        ("Piekarz^Jan", "Piekarza"),
        ("Adamiec^Jan", "Adamca"),
        ("Stępień^Jan", "Stępnia"),
        ("Novotny^Petr", "Novotneho"),
        ("McDonald^Ian", "Mc Donald"),
        ("Smith^John^Q", "Smith, John"),
        ("Li^Xi", "Li Xi"),
        ("Khan^Ali", "KHAN^ALI"),
        ("Иванова^Наталья", "Иванову"),
        ("Иванова^Наталья", "Ivanova"),
        ("Ivanova^Natalya", "Иванова"),
        ("王^小明", "王小明"),
        ("王^明", "王明"),
        ("王^小明", "Wang Xiaoming"),
        ("Wang^Xiaoming", "王小明"),
        ("Wang^Xiaoming=王^小明", "XIAO-MING WANG"),
        ("김^민준", "김민준"),
        ("김^민준", "Kim Minjun"),
        ("やまだ^たろう", "ヤマダタロウ"),
    ],
)
def test_a_name_of_another_patient_is_removed(name, text):
    known = people("Nowak^Jan", name)
    assert known.removed_from(f"CT {text} art") in {"CT art", "CT CT art"}
    assert known.is_in(text)


@pytest.mark.parametrize(
    ("patient_id", "text", "rest"),
    [
        ("KH-98765", "KH98765", ""),
        ("KH-98765", "MRN 98765", "MRN "),
        ("00012345", "12345", ""),
        ("12345", "0012345", ""),
        ("A1234", "a 1234", ""),
        ("KiTS-00012", "kits_00012", ""),
        ("P0001", "P0001", ""),
    ],
)
def test_an_id_of_another_patient_is_removed(patient_id, text, rest):
    assert people(ids=[patient_id]).removed_from(f"CT {text} art") == f"CT {rest}art"


@pytest.mark.parametrize(
    ("patient_id", "text"),
    [
        (one, one)
        for one in (
            "4521/19", "12-3456", "45-678", "19/1234", "007-123", "B 12 345", "A1B2C3", "1.2.345.6", "2019-0042",
            "A1-B2-C3-D4-E5", "CT-001", "McA-1-2-3", "00007", "１２－３４５６", "MA/19/0042",
        )
    ] + [
        ("EG 5566-77", "5566-77"),
        ("PL/77-881", "77-881"),
        ("KH 007-123", "007-123"),
        ("4521/19", "4521-19"),
        ("4521/19", "4521 19"),
        ("4521/19", "4521 / 19"),
        ("0045-678", "45-678"),
        ("45-678", "0045-678"),
        ("45-678", "45_678"),
        ("A1B2C3", "a1b2c3"),
    ],
)  # fmt: skip
def test_an_id_is_removed_as_the_header_divides_it(patient_id, text):
    known = people(ids=[patient_id])
    assert known.removed_from(f"see {text} art") == "see art"
    assert known.is_in(f"TKI {text}")


@pytest.mark.parametrize(
    ("patient_id", "text"),
    [
        ("12345", "CE art 12345.6"),
        ("78125", "spacing 0.78125 mm"),
        ("12-345", "dose 12.345"),
        ("12-345", "123 45"),
        ("512-512", "matrix 512x512"),
        ("CT 001", "CT 001 art"),
        ("b1000", "b1000"),
        ("TE 2000", "TE 2000"),
    ],
)
def test_numbers_that_are_no_id_stay(patient_id, text):
    assert people(ids=[patient_id]).removed_from(text) == text


KEPT = [
    "Li", "Art", "Low", "Kidney", "Chest", "肾", "Low^Art", "Kidney^Chest", "Philips^Anna", "Long^Ann", "Young",
    "Abdomen^CT", "Phantom^3", "Siemens", "Contrast^Iv", "动脉", "静^脉", "Dong^Mai", "Jing^Mai", "T^Art", "Marin",
    "Wang", "Clear", "Smart^Eve", "高清", "平^面", "ANONYMOUS", "Patient^001",
]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "CT abdomen low dose art thin 1.0 B30f",
        "Philips chest kidney li 3.0 long axis, smart clear 10 mar in",
        "肾动脉期 1.0mm 静脉期 皮髓质期 高清 平面",
        "phantom 3 young siemens contrast iv 120 kV b1000 TE 2000 CT 001",
        "t art patient 001 anonymous",
    ],
)
def test_ordinary_words_and_numbers_stay_whatever_the_patients_are_called(text):
    known = people(*KEPT, ids=["120", "3", "CT-001", "b1000", "TE2000", "KIDNEY", "PHANTOM001", "1.0"])
    assert known.removed_from(text) == text
    assert not known.is_in(text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((f"{word}^Quentin", f"CT {word} 3mm") for word in (
            "Filter", "Kernel", "Postcontrast", "Triphasic", "Nierenphase", "Parenchyma", "Minus", "Biphasic",
            "Angiography", "Oberbauch", "Projection", "Staging", "Urography", "Maximum", "Monoenergetic",
            "Nefrograficzna", "Oncology",
        )),
        ("高^强", "高强度"), ("安^全", "安全"), ("冠^状位", "冠状位"), ("时^相", "时相"), ("金^属", "金属伪影"),
        ("强^化", "强化扫描"),
        ("石^强", "结石 强化"), ("时^间", "延迟时间"), ("高^密度", "高密度"), ("全^程", "全程"), ("冠^状面", "冠状面"),
    ],
)  # fmt: skip
def test_the_words_of_descriptions_stay_if_somebody_is_called_so(name, text):
    assert people(name).removed_from(text) == text


def test_a_chinese_name_within_a_word_of_descriptions_goes_where_the_word_is_not():
    assert people("高^强").removed_from("高强 高强度 高强动脉期") == "高强度 动脉期"


def test_a_name_that_is_the_id_too_is_a_label_and_goes_as_a_whole():
    known = People()
    known.add([(NAME, "TRIAL-LUNA-0012"), (ID, "TRIAL-LUNA-0012")])
    assert known.removed_from("luna arterial trial_luna_0012") == "luna arterial"


def test_only_names_and_ids_of_patients_count_and_no_public_ones():
    known = People()
    known.add([(0x00080090, "Brzezinski^Jan"), (0x00080050, "ACC77123"), (NAME, "Kostka^Ewa"), (ID, "LUNG1-001")])
    known.add([(ID, "TCGA-B0-4710")], public_id="TCGA-B0-4710")
    assert known.removed_from("Brzezinski ACC 77123 Kostka TCGA-B0-4710") == "Brzezinski ACC 77123 TCGA-B0-4710"


def test_the_mark_depends_on_who_is_known_and_not_on_the_order():
    assert people("Nowak^Jan", "Li^Xi").mark() == people("Li^Xi", "Nowak^Jan", "Nowak^Jan").mark()
    assert people("Nowak^Jan").mark() != people("Li^Xi").mark()


def test_what_is_added_later_is_found_too():
    known = people("Nowak^Jan")
    assert known.removed_from("Zielinska art") == "Zielinska art"
    known.add([(NAME, "Zielinska^Ewa")])
    assert known.removed_from("Zielinska art") == "art"
