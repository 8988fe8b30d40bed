"""Dates and times: one reading for headers, indices, joined tables and de-identification."""

from __future__ import annotations

from datetime import date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nephrograde.volume.dicom.moment import read_date_time, read_day, read_moment, read_time, restore_zeros

WHOLE = time(10, 15, 0)


@pytest.mark.parametrize(
    "text",
    [
        "20200305",
        "2020.03.05",
        "2020-03-05",
        "2020/3/5",
        "2020 03 05",
        "2020年3月5日",
        "２０２０年３月５日",
        "2020-03-05 08:30:00",
        "2020-03-05T08:30:00",
        "20200305083000.123+0800",
        "20200305.0",
        " 20200305 ",
    ],
)
def test_days_are_read_with_the_year_first(text: str) -> None:
    assert read_day(text) == date(2020, 3, 5)


@pytest.mark.parametrize(
    "text",
    ["", "5.3.2020", "03/04/2020", "2020115", "2020", "202003", "20200230", "2020-3/5", "20200305-20200306", "43895"],
)
def test_what_may_be_another_day_is_left_open(text: str) -> None:
    assert read_day(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("101500", WHOLE),
        ("1015", WHOLE),
        ("10:15", WHOLE),
        ("10:15:00", WHOLE),
        ("101500+0800", WHOLE),
        ("101500.", WHOLE),
        ("10", time(10)),
        ("101500.5", time(10, 15, 0, 500000)),
        ("235959.123456789", time(23, 59, 59, 123456)),
        ("235960", time(23, 59, 59)),
        ("91500", time(9, 15)),
        ("9:15:00", time(9, 15)),
        ("91500.0", time(9, 15)),
        ("915", time(0, 9, 15)),
        ("1015.0", time(0, 10, 15)),
        ("1015.5", time(0, 10, 15, 500000)),
        ("5", time(0, 0, 5)),
        ("0", time(0)),
        ("0.25", time(0, 0, 0, 250000)),
        ("", None),
        ("246060", None),
        ("2460", None),
        ("1015000", None),
        ("soon", None),
    ],
)
def test_times_are_read_in_one_way(text: str, expected: time | None) -> None:
    assert read_time(text) == expected


@given(st.times(), st.dates(min_value=date(1000, 1, 1)))
def test_what_dicom_writes_reads_back(at: time, on: date) -> None:
    moment = datetime.combine(on, at)
    day, clock = on.isoformat().replace("-", ""), f"{at:%H%M%S.%f}"
    assert read_moment(day, clock) == moment == read_date_time(f"{day}{clock}") == read_date_time(f"{day}{clock}-0500")
    number = str(int(clock[:6])) + clock[6:]
    assert read_moment(day, number) == moment  # the zeros are lost, as the fraction shows


@given(st.lists(st.times(), min_size=1).map(lambda times: [time.replace(microsecond=0) for time in times]))
def test_a_column_of_numbers_reads_back_where_one_of_them_shows_what_was_lost(times: list[time]) -> None:
    numbers = [str(int(f"{time:%H%M%S}")) for time in [*times, time(9, 15)]]
    assert [read_time(cell) for cell in restore_zeros(numbers)][:-1] == times


def test_a_column_without_lost_zeros_stays_as_it_is() -> None:
    for column in (["1015", "10", "101500.5"], ["10:15", "9:15"], ["", "x"]):
        assert restore_zeros(column) == column
    assert restore_zeros(["9:15", "91500", "", "x"]) == ["9:15", "091500", "", "x"]


@pytest.mark.parametrize("text", ["", "20240131", "2024013110150", "2024-01-31T10:15", "x"])
def test_other_moments_are_left_open(text: str) -> None:
    assert read_date_time(text) is None


@given(st.text(max_size=20) | st.text(alphabet="0123456789.:-+/ T年月日", max_size=20))
def test_any_text_is_read_or_left_open(text: str) -> None:
    assert isinstance(read_day(text), date | None)
    assert isinstance(read_time(text), time | None)
    assert isinstance(read_date_time(text), datetime | None)
