"""Printed values: their decimals are kept, and every mistake is named."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nephrograde.errors import InputError
from nephrograde.printed.numbers import PrintedNumber, Rounding
from nephrograde.printed.reading import models_of, parse_options, parse_printed, read_printed
from nephrograde.printed.values import Span
from nephrograde.printed.wording.terms import printed_in_words

PERCENT_HINT = "A percentage needs its sign, like 85.9%."


@pytest.mark.parametrize(
    ("text", "units", "decimals", "shown"),
    [
        ("0.860", 860, 3, "0.860"),
        (".86", 86, 2, "0.86"),
        ("85.9%", 859, 3, "85.9%"),
        ("86 %", 86, 2, "86%"),
        ("100%", 100, 2, "100%"),
        ("5%", 5, 2, "5%"),
        ("0.05%", 5, 4, "0.05%"),
        ("0·859", 859, 3, "0.859"),
        ("０．８５９", 859, 3, "0.859"),
        ("85.9％", 859, 3, "85.9%"),
        ("1.", 1, 0, "1"),
        ("0", 0, 0, "0"),
    ],
)
def test_a_number_keeps_its_decimals(text, units, decimals, shown):
    number = PrintedNumber.of(text)
    assert (number.units, number.decimals, str(number)) == (units, decimals, shown)
    assert number.value == units / 10**decimals


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("high", "not a number"),
        ("", "not a number"),
        (".", "not a number"),
        ("%", "not a number"),
        ("-0.5", "less than 0, which is the lowest possible value"),
        ("0,859", "not a number"),
        ("8e-1", "not a number"),
        ("85.9", "more than 1, which is the highest possible value; a percentage needs its sign"),
        ("100.1%", "more than 1, which is the highest possible value$"),
        ("0.1234567890123", "more than 12 decimals"),
    ],
)
def test_what_is_no_share_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        PrintedNumber.of(text)


def test_neighbours_stay_between_0_and_1():
    assert [str(number) for number in PrintedNumber.of("1.00").neighbours()] == ["0.99"]
    assert [str(number) for number in PrintedNumber.of("0.0").neighbours()] == ["0.1"]


@pytest.mark.slow
@given(st.fractions(0, 1, max_denominator=400), st.integers(0, 4))
@settings(deadline=None, max_examples=200)
def test_windows_hold_what_exact_rounding_gives(share, decimals):
    scaled = share * 10**decimals
    whole, rest = divmod(scaled, 1)
    half = Fraction(1, 2)
    expected = {
        Rounding.TRUNCATION: {whole},
        Rounding.HALF_UP: {whole + (rest >= half)},
        Rounding.HALF_EVEN: {round(scaled)},
        Rounding.TIES_EITHER: {whole, whole + 1} if rest == half else {round(scaled)},
    }
    for rounding in Rounding:
        holding = set()
        for units in range(max(0, int(whole) - 2), min(10**decimals, int(whole) + 2) + 1):
            window = PrintedNumber(units, decimals).window(rounding)
            mirrored = PrintedNumber(-units, decimals).window(rounding)
            assert window.covers(share) == mirrored.covers(-share)
            if window.covers(share):
                assert PrintedNumber(units, decimals).any_window().covers(share)
                holding.add(units)
        assert holding == expected[rounding]


def problems_of(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    return [str(problem) for problem in caught.value.problems]


def test_all_mistakes_of_a_model_are_listed():
    found = problems_of(parse_printed, {"n": "x", "accuracy": "good", "auc": "90.7", "positives": "-3"})
    assert found == [
        "accuracy: 'good' is not a number. Write it as printed, like 0.859 or 85.9%.",
        "auc: '90.7' is more than 1, which is the highest possible value. A percentage needs its sign, like 85.9%.",
        "n: 'x' is not a whole number. Give the number of test patients, or a range like 80-100.",
        "positives: '-3' is not a whole number. Give how many of them are positive, or limits like 30-50 or >=30.",
    ]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"accuracy": "0.8"}, "n: is missing."),
        ({"n": "0", "accuracy": "0.8"}, "n: is 0."),
        ({"n": "10001", "accuracy": "0.8"}, "n: is 10001. Above 10000"),
        ({"n": "9", "positives": "10", "accuracy": "0.8"}, "positives: is 10, more than n = 9."),
        ({"n": "9"}, "values: nothing is printed. Give one of accuracy"),
        ({"n": "9", "positives": "9", "auc": "0.8"}, "auc: is printed for 9 patients of one class."),
        ({"n": "1", "auc": "0.8"}, "auc: is printed for 1 patient of one class."),
        (
            {"n": "9", "auc": "100.5%"},
            "auc: '100.5%' is more than 1, which is the highest possible value. Compare it with the paper.",
        ),
    ],
)
def test_counts_that_cannot_be(cells, expected):
    (found,) = problems_of(parse_printed, cells)
    assert found.startswith(expected)


def test_options_take_n_from_the_first_model():
    first, second = parse_options(
        {"n": "90", "name": "弱监督", "accuracy": "0.859"}, ["name=强监督，n=92；accuracy=0.848"]
    )
    assert (first.name, first.n, second.name, second.n) == ("弱监督", 90, "强监督", 92)
    first, second = parse_options({"n": "90", "auc": "0.9", "positives": "41", "mean_of": "3"}, ["auc=0.8"])
    assert (first.positives, first.n, first.mean_of) == (Span(41, 41), 90, 3)
    assert (second.positives, second.n, second.mean_of) == (None, 90, 3)
    assert printed_in_words(first) == "model 1: 90 patients, 41 positive, means of 3 tables, AUC 0.9"


def test_all_mistakes_of_the_options_are_listed():
    found = problems_of(parse_options, {"auc": "2"}, ["acuracy=0.8,auc,auc=0.9,group=a"])
    place = '--against "acuracy=0.8,auc,auc=0.9,group=a"'
    assert found[:2] == [
        "--auc: '2' is more than 1, which is the highest possible value. A percentage needs its sign, like 85.9%.",
        "--n: is missing. Give the number of test patients, or a range like 80-100.",
    ]
    assert found[2] == f"{place}: 'auc' has no value. Write key=value."
    assert found[3] == f"{place}: 'acuracy' is unknown. Did you mean 'accuracy'?"
    assert found[4].startswith(f"{place}: 'group' is unknown. Known are name, n, ")
    assert found[5] == f"{place}: a key is given twice. Remove one."
    assert found[6] == f"{place}, n: is missing. Give the number of test patients, or a range like 80-100."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_a_table_in_any_encoding(tmp_path, encoding):
    path = tmp_path / "模型.csv"
    path.write_text(
        "Name,group,N,Accuracy,AUC\n弱监督,皮髓质期,92,85.9％,0.907\n,,92,,0.922\n", encoding=encoding, newline=""
    )
    first, second = read_printed(path)
    assert (first.name, first.group, first.n) == ("弱监督", "皮髓质期", 92)
    assert {measure: str(number) for measure, number in first.values.items()} == {"accuracy": "85.9%", "auc": "0.907"}
    assert (second.name, second.group, set(second.values)) == ("row 3", "", {"auc"})


def test_all_mistakes_of_a_table_are_listed(tmp_path):
    path = tmp_path / "models.csv"
    path.write_text("n,N,sensitivty,auc\n90,90,0.8,0.9\n90,90,,1.9\n", encoding="utf-8")
    assert problems_of(read_printed, path) == [
        "models.csv, headings: 'sensitivty' is unknown. Did you mean 'sensitivity'?",
        "models.csv, headings: two of them differ only in capitalization. Rename or remove one.",
        f"models.csv row 3, auc: '1.9' is more than 1, which is the highest possible value. {PERCENT_HINT}",
    ]


def test_a_table_that_cannot_be_read(tmp_path):
    (missing,) = problems_of(read_printed, tmp_path / "models.csv")
    assert "no such file" in missing
    (tmp_path / "models.csv").write_text("n,auc\n", encoding="utf-8")
    (empty,) = problems_of(read_printed, tmp_path / "models.csv")
    assert "no rows" in empty


def test_a_table_or_options_but_not_both(tmp_path):
    path = tmp_path / "models.csv"
    path.write_text("n,auc\n90,0.9\n", encoding="utf-8")
    assert models_of(path, {"n": ""}, ()) == read_printed(path)
    assert models_of(None, {"n": "90", "auc": "0.9"}, ())[0].n == 90
    for cells, against in (({"n": "90"}, ()), ({}, ("auc=0.9",))):
        (found,) = problems_of(models_of, path, cells, against)
        assert "in addition to the table" in found
