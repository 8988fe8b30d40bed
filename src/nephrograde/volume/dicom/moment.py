"""Dates and times as written by DICOM (DA, TM, DT) and by spreadsheets."""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_DAY = re.compile(
    r"(?:(\d{4})(\d\d)(\d\d)(?:(?:\d\d){0,3}(?:\.\d*)?(?:[+-]\d{4})?)?"
    r"|(\d{4})(?P<mark>[-/. ])(\d{1,2})(?P=mark)(\d{1,2})"
    r"|(\d{4})年(\d{1,2})月(\d{1,2})日?)"
    r"(?:[ T].*)?"
)
_DATE_TIME = re.compile(r"(\d{8})((?:\d\d){1,3}(?:\.\d*)?)(?:[+-]\d{4})?")
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d*))?)?(?:[+-]\d{4})?")
_DIGITS = re.compile(r"(\d{1,6})(?:[.,](\d*))?(?:[+-]\d{4})?")

_SERIAL = re.compile(r"(\d{5})(?:\.\d+)?")
_SERIAL_YEARS = (1980, 2050)
EXCEL_DAY_ZERO = date(1899, 12, 30)
"""The day from which date numbers count in Excel, except in workbooks of 1904 made on old Macintoshes."""


def read_day(text: str) -> date | None:
    """Read a date written year first.

    Args:
        text: ``YYYYMMDD`` (DA), the same with dots as in ACR-NEMA, the beginning of a DT, or as spreadsheets write it:
            with dashes, slashes or 年月日, single digits, and possibly followed by a time.

    Returns:
        The date; None for anything else: 03/04/2020 may be in April or March, 2020115 in January or November.

    Source:
        DICOM PS3.5 6.2 (DA, DT).

    >>> read_day("20200305"), read_day("2020年3月5日"), read_day("03/04/2020")
    (datetime.date(2020, 3, 5), datetime.date(2020, 3, 5), None)
    """
    match = _DAY.fullmatch(unicodedata.normalize("NFKC", text).strip())
    if match is None:
        return None
    year, month, day = (int(part) for part in match.groups() if part and part.isdecimal())
    try:
        return date(year, month, day)
    except ValueError:
        return None


def read_serial_day(text: str, day_zero: date = EXCEL_DAY_ZERO) -> date | None:
    """Read a date that a spreadsheet has turned into a number of days.

    Args:
        text: Five digits, perhaps with a fraction for the time of day, for a day between 1980 and 2050. A number of six
            digits may be a date in any order, and is not read.
        day_zero: The day from which the spreadsheet counts.

    Returns:
        The date; None for anything else.

    >>> read_serial_day("43895"), read_serial_day("43895.5"), read_serial_day("201112"), read_serial_day("63")
    (datetime.date(2020, 3, 5), datetime.date(2020, 3, 5), None, None)
    """
    match = _SERIAL.fullmatch(unicodedata.normalize("NFKC", text).strip())
    if match is None:
        return None
    day = day_zero + timedelta(days=int(match[1]))
    return day if _SERIAL_YEARS[0] <= day.year <= _SERIAL_YEARS[1] else None


def read_time(text: str) -> time | None:
    """Read a time of day.

    An even number of digits is a TM, whose end may be missing: ``1015`` is 10:15:00. A TM never has an odd number, and
    a fraction only after its seconds; such a number has lost its leading zeros in a spreadsheet: ``91500`` is 09:15:00,
    and ``1015.5`` is half a second after 00:10:15. For a whole column, see :func:`restore_zeros`.

    Args:
        text: ``HHMMSS.FFFFFF`` or its beginning, with or without colons; a time zone after it is ignored.

    Returns:
        The time; None for anything else.

    Source:
        DICOM PS3.5 6.2 (TM), with the colons of its older editions. A leap second becomes the one before it.

    >>> [str(read_time(text)) for text in ("1015", "91500", "1015.5", "10:15", "2460")]
    ['10:15:00', '09:15:00', '00:10:15.500000', '10:15:00', 'None']
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    if clock := _CLOCK.fullmatch(plain):
        hour, minute, second, fraction = clock.groups()
    elif found := _DIGITS.fullmatch(plain):
        digits, fraction = found.groups()
        digits = digits.zfill(6) if _has_lost_zeros(plain) else digits.ljust(6, "0")
        hour, minute, second = digits[:2], digits[2:4], digits[4:]
    else:
        return None
    microsecond = int((fraction or "")[:6].ljust(6, "0"))
    try:
        return time(int(hour), int(minute), 59 if second == "60" else int(second or 0), microsecond)
    except ValueError:
        return None


def read_moment(day: str, time: str) -> datetime | None:
    """Combine a date and a time; None if either cannot be read.

    >>> read_moment("2024.01.31", "101500.5"), read_moment("20240131", "")
    (datetime.datetime(2024, 1, 31, 10, 15, 0, 500000), None)
    """
    on, at = read_day(day), read_time(time)
    return None if on is None or at is None else datetime.combine(on, at)


def read_date_time(text: str) -> datetime | None:
    """Read a DT that contains at least the hour; its time zone is ignored.

    Source:
        DICOM PS3.5 6.2 (DT).

    >>> read_date_time("20240131101500.5+0800"), read_date_time("20240131")
    (datetime.datetime(2024, 1, 31, 10, 15, 0, 500000), None)
    """
    match = _DATE_TIME.fullmatch(text.strip())
    return None if match is None else read_moment(match[1], match[2])


def restore_zeros(times: Sequence[str]) -> list[str]:
    """Restore the leading zeros in a column of times, if some of them show that a spreadsheet dropped them.

    On its own, ``1015`` is 10:15:00. In a column with ``91500`` the times are numbers, and it is 00:10:15.

    Args:
        times: The cells of the column.

    Returns:
        The cells; if zeros were dropped, numbers get six digits before the point.

    >>> restore_zeros(["91500", "1015"]), restore_zeros(["101500", "1015"])
    (['091500', '001015'], ['101500', '1015'])
    """
    if not any(map(_has_lost_zeros, times)):
        return list(times)
    return [re.sub(r"^\d+", lambda found: found.group().zfill(6), cell) if ":" not in cell else cell for cell in times]


def _has_lost_zeros(text: str) -> bool:
    found = _DIGITS.fullmatch(text)
    return found is not None and (len(found[1]) % 2 == 1 or (found[2] is not None and len(found[1]) < 6))
