from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from tests.unit.report.further import increment_row, increment_rows

from nephrograde.evaluation.remarks import Caution, Reason
from nephrograde.report.tables.answer import answer_sentences
from nephrograde.report.tables.evidence import evidence_sections
from nephrograde.report.tables.increment import added_value_sentence, baseline_notes, increment_table
from nephrograde.report.text.language import speaking
from nephrograde.results import Results

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.evaluation.baselines.increment import Increment


@pytest.fixture(scope="module")
def record(whole_run: Path) -> Results:
    return Results.read(whole_run)


def told(record: Results, *increments: Increment) -> str:
    return added_value_sentence(dataclasses.replace(record, increments=increments))


def test_the_sentence_is_of_the_network_that_was_chosen_out_of_fold_and_leads_the_report(record: Results) -> None:
    chosen = record.chosen_network
    assert chosen is not None
    run = dataclasses.replace(record, increments=(*increment_rows("another"), *increment_rows(chosen)))
    sentence = added_value_sentence(run)
    assert sentence.startswith("Added to age_years + sex + size, the score of " + chosen)
    assert "from 0.770 to 0.810: difference 0.040, 95% CI −0.010 to 0.090 (n = 90; likelihood ratio test: P" in sentence
    assert answer_sentences(run)[0] == sentence
    with speaking("zh"):
        assert added_value_sentence(run).startswith("在age_years + sex + size之上")


@pytest.mark.parametrize(
    ("bounds", "p", "meaning"),
    [
        ((0.01, 0.07), 0.001, "So the images add to what these columns tell."),
        ((-0.01, 0.09), 0.3, "do not show that the images add anything"),
        ((-0.01, 0.09), 0.003, "carries information that the columns do not have"),
        ((-0.09, -0.01), 0.4, "worse with the score"),
    ],
)
def test_the_meaning_follows_interval_and_test(
    record: Results, bounds: tuple[float, float], p: float, meaning: str
) -> None:
    low, high = bounds
    assert meaning in told(record, *increment_rows(record.chosen_network or "", low=low, high=high, p=p))


def test_with_few_patients_there_is_no_verdict(record: Results) -> None:
    few = [
        dataclasses.replace(one, n=60, n_high=29)
        for one in increment_rows(record.chosen_network or "", low=0.01, high=0.07)
    ]
    assert "With fewer than 30 patients of a grade there is no verdict" in told(record, *few)
    assert "So the images add" not in told(record, *few)


def test_nothing_is_said_without_increments_or_numbers(record: Results) -> None:
    assert told(record) == ""
    assert told(record, *increment_rows("another")) == ""
    assert told(record, increment_row(record.chosen_network or "", "auc", reason=Reason.ONE_GRADE)) == ""
    assert increment_table(record) is None


def test_a_test_that_failed_gives_its_reason(record: Results) -> None:
    chosen = record.chosen_network or ""
    _, *rest = increment_rows(chosen)
    failed = increment_row(chosen, "likelihood_ratio", reason=Reason.PREDICTIONS_ALIKE)
    assert "likelihood ratio test: all predictions are equal" in told(record, failed, *rest)


def test_table_has_a_row_per_network_and_says_a_caution_once(record: Results) -> None:
    increments = (
        *increment_rows("weak-1-cmp", caution=Caution.UNSTABLE),
        *increment_rows("strong-cmp", caution=Caution.UNSTABLE),
    )
    run = dataclasses.replace(record, increments=increments)
    table = increment_table(run)
    assert table is not None
    assert [one.model for one in table.rows] == ["weak-1-cmp", "strong-cmp"]
    first = table.rows[0]
    assert (first.auc_without, first.auc_with, first.auc.text) == ("0.770", "0.810", "0.040 [−0.010 to 0.090]")
    assert (first.brier.text, first.slope.text) == ("−0.010 [−0.030 to 0.010]", "0.800 [0.500–1.200]")
    assert [one.change.text for one in first.benefits] == ["0.020 [−0.010 to 0.050]"]
    assert table.benefit_at == ("0.3",)
    assert table.remarks == ("unstable with few patients",)
    assert evidence_sections(run).increment is not None


def test_the_page_shows_the_table(further_pages: dict[str, str]) -> None:
    page = further_pages["en"]
    assert page.count("Added to age_years + sex + size") == 3  # the summary, its section, and the checklist
    assert "0.040" in page
    assert "statistics/increment.csv" in page


def test_clinical_only_names_its_columns_penalty_and_imputation(record: Results) -> None:
    scored = dataclasses.replace(
        record,
        scores=dataclasses.replace(
            record.scores,
            rows=tuple(
                dataclasses.replace(one, model=name)
                for one in record.scores.rows
                if one.model == "size"
                for name in ("clinical", "clinical-no-size")
            ),
        ),
    )
    with_size, without = baseline_notes(scored)
    assert with_size.startswith(
        "clinical: logistic regression with an L2 penalty (C = 1) on age_years, sex and size_cm."
    )
    assert "of 40 patients: age_years 1, size_cm 2." in with_size
    assert without.startswith("clinical-no-size: logistic regression with an L2 penalty (C = 1) on age_years and sex.")
    assert baseline_notes(record) == ()
