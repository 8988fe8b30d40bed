"""Codes with parameters, in the cells of ``series.csv``."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nephrograde.volume.statement import (
    GROUNDS,
    REASONS,
    SIGHTS,
    Statement,
    parameters_of,
    read_statements,
    write_statements,
)

CODES = (*REASONS, *GROUNDS, *SIGHTS)


@st.composite
def statements(draw: st.DrawFn) -> Statement:
    code = draw(st.sampled_from(CODES))
    text = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(["w&wo; x=1 | 50%", " a ", "动脉期, a"])
    return Statement.of(code, **{name: draw(text) for name in sorted(parameters_of(code))})


@given(st.lists(statements(), max_size=4))
@example([Statement.of("words.found", words="\xa0", place="\u3000")])
def test_statements_read_back_exactly(said: list[Statement]) -> None:
    assert read_statements(write_statements(said)) == tuple(said)


@given(statements())
def test_a_cell_stays_on_its_line(statement: Statement) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream).writerow([statement.text])
    assert len(stream.getvalue().splitlines()) == 1


def test_codes_are_listed_once() -> None:
    assert len(set(CODES)) == len(CODES) == len(REASONS) + len(GROUNDS) + len(SIGHTS)
    assert not any(set(":;|= ") & set(code) for code in CODES)


@pytest.mark.parametrize("parameters", [{}, {"m": 1}, {"n": 1, "m": 2}])
def test_a_statement_has_the_parameters_of_its_code(parameters: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="too-few-slices"):
        Statement.of("too-few-slices", **parameters)


def test_an_unknown_code_is_refused_when_written_and_kept_when_read() -> None:
    with pytest.raises(ValueError, match="phase unknown"):
        Statement.of("phase unknown")
    (kept,) = read_statements("looks fine: to me")
    assert (kept.text, kept.is_listed) == ("looks fine: to me", False)
