"""Every code of ``series.csv`` in words, in both languages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from nephrograde.report.text.language import speaking
from nephrograde.report.text.series_words import details_in_words, in_words, kind_in_words, sight_in_words
from nephrograde.volume.statement import GROUNDS, REASONS, SIGHTS, TERMS, Statement, parameters_of

if TYPE_CHECKING:
    from nephrograde.report.text.language import Language

CODES = (*REASONS, *GROUNDS, *SIGHTS)


def marked(code: str) -> Statement:
    """A statement whose values can be found again in its words."""
    return Statement.of(code, **{name: f"<{name}>" for name in sorted(parameters_of(code))})


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("code", CODES)
def test_every_code_has_its_words_and_every_parameter_appears(code: str, language: Language) -> None:
    statement = marked(code)
    with speaking(language):
        words = in_words(statement)
    assert all(f"<{name}>" in words for name in parameters_of(code))
    told = re.sub(r"<\w+>", "", words)
    assert bool(re.search("[\u4e00-\u9fff]", told)) == (language == "zh")


@pytest.mark.parametrize("code", CODES)
def test_english_is_the_same_with_and_without_the_report(code: str) -> None:
    assert in_words(marked(code)) == marked(code).english


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in TERMS.items() for value in values])
def test_words_of_ours_in_a_parameter_are_translated(name: str, value: str) -> None:
    code = next(code for code in CODES if name in parameters_of(code))
    statement = Statement.of(code, **{one: value if one == name else "1" for one in parameters_of(code)})
    with speaking("zh"):
        assert value not in in_words(statement)


def test_details_follow_the_kind() -> None:
    reason, grounds = Statement.of("mask-taken", series="1.2"), [Statement.of("not-taken", series="1.9")]
    with speaking("zh"):
        assert (kind_in_words(reason), details_in_words(reason, grounds)) == ("所选序列的掩膜", "1.2、未采用：1.9")
        seen = Statement.of("words.cases-from", case=500, phase="np")
        assert sight_in_words(seen) == "文字：作者说明：编号500及以上的病例为肾实质期"


def test_what_is_not_listed_stays_as_it_is() -> None:
    assert in_words(Statement.parse("phase unknown")) == "phase unknown"
    assert in_words(Statement.parse("too-few-slices:m=3")) == "too-few-slices:m=3"
    assert sight_in_words(Statement.parse("words: arterial")) == "words: arterial"
