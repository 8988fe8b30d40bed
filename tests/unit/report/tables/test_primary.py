from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import pytest

from nephrograde.evaluation.comparison.compare import Comparison
from nephrograde.evaluation.comparison.family import Family
from nephrograde.evaluation.remarks import Reason
from nephrograde.evaluation.scores.scores import Scores
from nephrograde.report.tables.primary import family_sentence, primary_sentence
from nephrograde.report.tables.wording import summary
from nephrograde.report.text.language import speaking
from nephrograde.results import Results

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.study import Study


@pytest.fixture(scope="module")
def record(whole_run: Path) -> Results:
    return Results.read(whole_run)


@pytest.fixture
def named(record: Results, make_study: Callable[..., Study]) -> Results:
    return dataclasses.replace(record, study=make_study(evaluate={"primary": ["strong-cmp", "weak-1-cmp"]}))


def pair(**changes: Any) -> Comparison:
    row = Comparison("weak-1-cmp", "strong-cmp", "auc", 0.1, -0.05, 0.25, 1.3, 0.2, 0.2, 12, "paired DeLong")
    return dataclasses.replace(row, family=Family.PRIMARY, family_size=1, **changes)


def test_without_a_name_everything_is_called_exploratory(record: Results) -> None:
    assert "No primary comparison was named beforehand" in primary_sentence(record)
    with speaking("zh"):
        assert "未预先指定主要比较" in primary_sentence(record)


def test_the_primary_comparison_is_told_in_the_order_in_which_it_was_named(named: Results) -> None:
    run = dataclasses.replace(named, comparisons=(pair(),))
    sentence = primary_sentence(run)
    assert "the AUC of strong-cmp minus that of weak-1-cmp is −0.100, 95% CI −0.250 to 0.050 (n = 12," in sentence
    assert "not adjusted" in sentence
    assert sentence in summary(run)


def test_what_could_not_be_tested_is_said(named: Results) -> None:
    run = dataclasses.replace(named, comparisons=(pair(p_value=math.nan, reason=Reason.ONE_GRADE),))
    assert "could not be tested: patients of one grade only" in primary_sentence(run)
    rows = tuple(row for row in named.scores.rows if row.model != "strong-cmp")
    run = dataclasses.replace(named, comparisons=(), scores=Scores(rows))
    assert "could not be made: no scores of strong-cmp" in primary_sentence(run)


def test_families_are_told_with_their_sizes(record: Results) -> None:
    rows = (
        pair(),
        dataclasses.replace(pair(), family=Family.PHASE, family_size=3),
        dataclasses.replace(pair(), family=Family.BASELINE, family_size=18),
    )
    sentence = family_sentence(dataclasses.replace(record, comparisons=rows))
    assert "one arm on two phases (3 tests) and a network and a baseline (18 tests)" in sentence
    assert "primary" not in sentence
    assert family_sentence(dataclasses.replace(record, comparisons=())) == ""
