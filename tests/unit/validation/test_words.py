"""What the page and the terminal say of a validation."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit

from nephrograde.evaluation.calibration.updating import Update, Why, advise_update
from nephrograde.report.text.language import speaking
from nephrograde.validation import words
from nephrograde.validation.development import Development, find_overlap
from nephrograde.validation.side_by_side import SideRow, Untested


def stand_in(**fields):
    """What stands in for an object of which these fields are read."""
    return SimpleNamespace(**fields)


def advised(intercept):
    log_odds = np.random.default_rng(1).normal(0.0, 1.2, 400)
    is_high = np.random.default_rng(2).random(400) < expit(log_odds + intercept)
    return advise_update(expit(log_odds), is_high, prevalence=0.5, seed=1, replicates=50)


def auc_row(*, n_high=60, low=-0.2, high=0.05, untested=None):
    if untested:
        low = high = math.nan
    ends = {"difference": -0.07, "difference_low": low, "difference_high": high}
    return SideRow(
        "auc", 0.85, 0.8, 0.9, 120, 60, "test", 0.78, 0.7, 0.85, 150, n_high, **ends, method="", untested=untested
    )


def said_of_auc(row):
    return words._auc(stand_in(side=lambda _measure: row))[0]


def test_a_suggestion_gives_its_formula_and_says_that_it_is_not_applied():
    advice = advised(-1.0)
    sentence = words.advice_sentence(stand_in(advice=advice))
    row = advice.row(Update.INTERCEPT)
    assert row is not None
    assert f"= {row.intercept:.3f} + 1.000 ×".replace("-", "−") in sentence
    assert "suggested, and not applied" in sentence
    rows = words.update_rows(stand_in(advice=advice))
    assert [one[0] for one in rows if "suggested" in one[0]] == ["new intercept (suggested)"]


@pytest.mark.parametrize("why", [one for one in Why if one is not Why.SUGGESTED])
def test_every_reason_for_no_suggestion_is_said_in_both_languages(why):
    found = stand_in(advice=stand_in(suggested=Update.NONE, why=why, p_any=0.3, row=lambda _update: None))
    english = words.advice_sentence(found)
    assert english.startswith("No recalibration is suggested: ")
    assert len(english) > len("No recalibration is suggested: .")
    with speaking("zh"):
        assert words.advice_sentence(found).startswith("不建议重新校准：")


def test_a_difference_is_judged_only_with_thirty_patients_of_each_grade_on_both_sides():
    assert "may be due to chance" in said_of_auc(auc_row())
    assert "more than chance explains" in said_of_auc(auc_row(high=-0.01))
    assert "no verdict with fewer than 30" in said_of_auc(auc_row(n_high=29, high=-0.01))
    assert "0.05" not in said_of_auc(auc_row(untested=Untested.SAME_PATIENTS))


def test_chinese_sentences_follow_each_other_without_a_space():
    with speaking("zh"):
        assert "。 " not in said_of_auc(auc_row())


def test_shared_images_are_told_from_shared_ids():
    run = stand_in(
        cases=({"patient_id": "A"}, {"patient_id": "B"}),
        truths={},
        lock={"inputs": {"cmp_image A": "1", "cmp_mask A": "9", "np_image B": "2", "cohort table": "3"}},
    )
    development = Development(None, 10, 4, run)
    inputs = {"cmp_image X": "1", "cmp_image B": "7", "cmp_mask Y": "9", "cmp_image Y": "3"}
    overlap = find_overlap(development, inputs, ("X", "B", "Y"))
    assert (overlap.same_image, overlap.same_id) == (("X",), ("B",))
    lines = words._overlap(stand_in(development=development, overlap=overlap))
    assert ["X" in line for line in lines] == [True, False]
    assert "no difference has an interval" in lines[0]
    assert "B" in lines[1]
