"""The section on uncertainty: its tables, its sentence, its figure and what the methods say of it."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import pytest

from nephrograde.evaluation.calibration.recalibration import Way
from nephrograde.evaluation.remarks import Caution, Reason
from nephrograde.evaluation.uncertainty.conformal import SetKind
from nephrograde.evaluation.uncertainty.referral import ReferralRow
from nephrograde.evaluation.uncertainty.uncertainty import ConformalRow, RecalibrationRow, Uncertainty
from nephrograde.report.figures.referral import draw_referral
from nephrograde.report.methods.citations import cited_keys
from nephrograde.report.methods.model_card import card_text
from nephrograde.report.methods.paragraph import methods_paragraph
from nephrograde.report.methods.uncertainty_methods import prediction_sets, recalibration
from nephrograde.report.tables.uncertainty import (
    DECIDED,
    REFERRED,
    Segments,
    referral_sentence,
    segments_of,
    uncertainty_section,
)
from nephrograde.report.text.language import speaking
from nephrograde.results import Results

if TYPE_CHECKING:
    from pathlib import Path

NAN = math.nan
COUNTS = {
    "coverage": (80, 90),
    "coverage_high": (38, 42),
    "coverage_low": (42, 48),
    "referred": (28, 90),
    "referred_both": (28, 90),
    "referred_none": (0, 90),
    "high_of_referred": (15, 28),
    "sensitivity_decided": (23, 27),
    "specificity_decided": (29, 35),
    "ppv_decided": (23, 29),
    "npv_decided": (29, 33),
    "sensitivity_with_biopsy": (38, 42),
    "specificity_with_biopsy": (42, 48),
    "errors": (20, 90),
    "errors_with_biopsy": (10, 90),
}


def referral_rows(model: str, counts: dict[str, tuple[int, int]] = COUNTS) -> tuple[ReferralRow, ...]:
    return tuple(
        ReferralRow(
            model,
            "test",
            kind,
            measure,
            value=part / whole if whole else NAN,
            low=0.01 if whole else NAN,
            high=0.99 if whole else NAN,
            part=part if whole else None,
            whole=whole or None,
            n=90,
            n_high=42,
            expected_low=NAN,
            expected_high=NAN,
            error=0.1,
            method="exact",
            confidence=0.95,
            reason=None if whole else Reason.NONE_CALLED_HIGH,
        )
        for kind in SetKind
        for measure, (part, whole) in counts.items()
    )


def recalibration_rows(model: str, reason: Reason | None = None) -> tuple[RecalibrationRow, ...]:
    value = NAN if reason else 0.12
    return tuple(
        RecalibrationRow(model, "test", way, measure, 0.2, 0.1, 0.3, *(value,) * 6, 90, 42, "", 0.95, reason)
        for way in Way
        for measure in ("brier", "calibration_intercept", "calibration_slope", "ece")
    )


def cutoffs(model: str) -> tuple[ConformalRow, ...]:
    return tuple(ConformalRow(model, kind, 0.1, 0.31, 0.62, 210, 90) for kind in SetKind)


@pytest.fixture(scope="module")
def record(whole_run: Path) -> Results:
    run = Results.read(whole_run)
    found = Uncertainty(
        tuple(row for model in run.models for row in recalibration_rows(model.name)),
        tuple(row for model in run.models for row in cutoffs(model.name)),
        tuple(row for model in run.models for row in referral_rows(model.name)),
    )
    return dataclasses.replace(run, uncertainty=found)


def changed(run: Results, **parts: object) -> Results:
    return dataclasses.replace(run, uncertainty=dataclasses.replace(run.uncertainty, **parts))  # type: ignore[arg-type]


def test_the_segments_are_all_patients(record: Results) -> None:
    found = segments_of(record, record.models[0].name)
    assert found == Segments(record.models[0].name, 29, 4, 13, 15, 6, 23)
    assert found.n == 90


def test_the_tables_have_a_row_per_model_the_baselines_last(record: Results) -> None:
    section = uncertainty_section(record)
    assert section is not None
    assert {row.model for row in section.yields} == {model.name for model in record.models}
    assert [row.is_baseline for row in section.yields] == sorted(row.is_baseline for row in section.yields)
    assert [len(row.referred) for row in section.yields] == [len(REFERRED)] * len(record.models)
    assert [len(row.decided) for row in section.yields] == [len(DECIDED)] * len(record.models)
    assert {(row.high_from, row.low_to) for block in section.sets for row in block.rows} == {("0.310", "0.620")}
    assert section.remarks == ()


def test_only_the_chosen_models_are_shown_first(record: Results) -> None:
    section = uncertainty_section(record)
    assert section is not None
    assert [block.model for block in section.recalibrations] == [record.chosen_network, record.chosen_baseline]
    assert len(section.others) == len(record.models) - 2
    assert [row.is_used for row in section.recalibrations[0].rows] == [False, True, False, False]  # platt
    assert section.recalibrations[0].rows[1].change.value == 0.12


def test_the_sentence_counts_biopsies_per_error_avoided(record: Results) -> None:
    said = referral_sentence(record)
    for number in ("62 of 90", "10 of them", "28 (31%)", "15 of these", "20 calls", "2.8 biopsies"):
        assert number in said
    with speaking("zh"):
        assert "每避免一次错误需活检2.8例" in referral_sentence(record)


def test_no_error_avoided_has_no_price(record: Results) -> None:
    rows = [
        row
        for model in record.models
        for row in referral_rows(model.name, COUNTS | {"errors": (9, 90), "errors_with_biopsy": (10, 90)})
    ]
    assert "biopsies for each" not in referral_sentence(changed(record, referrals=tuple(rows)))


def out_of_fold(run: Results, caution: Caution | None = Caution.OPTIMISTIC) -> Results:
    """The same numbers, as if they came from a study without a test set."""
    found = run.uncertainty
    parts = {
        "recalibrations": tuple(dataclasses.replace(row, split="oof") for row in found.recalibrations),
        "referrals": tuple(
            dataclasses.replace(row, split="oof", caution=caution if row.measure == "errors" else None)
            for row in found.referrals
        ),
    }
    return dataclasses.replace(changed(run, **parts), scores=run.scores.out_of_fold())


@pytest.mark.parametrize("caution", [Caution.OPTIMISTIC, None])
def test_errors_at_a_threshold_of_the_same_patients_are_said_to_be_optimistic(
    record: Results, caution: Caution | None
) -> None:
    said = referral_sentence(out_of_fold(record, caution))
    assert "20 calls" in said
    assert ("optimistic" in said) == (caution is not None)
    with speaking("zh"):
        assert ("偏于乐观" in referral_sentence(out_of_fold(record, caution))) == (caution is not None)


def test_scores_calibrated_on_the_same_patients_are_said_to_be_favoured(record: Results) -> None:
    section, of_test = uncertainty_section(out_of_fold(record)), uncertainty_section(record)
    table = uncertainty_section(dataclasses.replace(out_of_fold(record), study=None))
    assert section is not None
    assert of_test is not None
    assert table is not None
    assert "biased against recalibration" in section.bias
    assert of_test.bias == table.bias == ""


def test_only_coverage_of_test_patients_is_said_to_have_exact_intervals(record: Results) -> None:
    assert "exact intervals" in prediction_sets(record)
    assert "without intervals" in prediction_sets(out_of_fold(record))
    assert "clopper1934" in cited_keys(record)
    assert "clopper1934" not in cited_keys(out_of_fold(record))


def test_a_share_of_nobody_is_a_dash(record: Results) -> None:
    rows = [
        row
        for model in record.models
        for row in referral_rows(model.name, COUNTS | {"sensitivity_decided": (0, 0), "high_of_referred": (0, 0)})
    ]
    section = uncertainty_section(changed(record, referrals=tuple(rows)))
    assert section is not None
    assert section.yields[0].decided[0].text == "–"


def test_what_was_not_computed_has_its_reason(record: Results) -> None:
    few = Reason.TOO_FEW_PATIENTS
    missing = changed(
        record,
        recalibrations=tuple(row for model in record.models for row in recalibration_rows(model.name, few)),
        cutoffs=(),
    )
    section = uncertainty_section(missing)
    assert section is None
    one = record.models[0].name
    part = changed(
        record,
        recalibrations=(*recalibration_rows(one, few), *recalibration_rows(record.models[1].name)),
    )
    section = uncertainty_section(part)
    assert section is not None
    assert [(models, "too few out-of-fold patients" in note) for models, note in section.remarks] == [(one, True)]


def test_without_out_of_fold_scores_there_is_no_section(record: Results) -> None:
    assert uncertainty_section(dataclasses.replace(record, uncertainty=Uncertainty())) is None
    assert draw_referral(dataclasses.replace(record, uncertainty=Uncertainty())) is None


def test_the_figure_has_the_counts_of_every_model(record: Results) -> None:
    drawing = draw_referral(record)
    assert drawing is not None
    assert [row["model"] for row in drawing.data] == [
        model.name for model in sorted(record.models, key=lambda model: model.is_baseline)
    ]
    assert all(row["low_right"] == 29 for row in drawing.data)
    assert "62 decided, 10 of them wrongly, 28 referred" in drawing.description


def test_methods_card_and_citations_tell_of_it(record: Results) -> None:
    whole = methods_paragraph(record)
    assert recalibration(record) in whole
    assert prediction_sets(record) in whole
    card = card_text(record, record.models[0].name)
    assert "0.310" in card
    assert "28 of 90 patients are referred" in card
    assert {"lin2007", "vovk2015", "vovk2005", "clopper1934"} <= set(cited_keys(record))
    bare = dataclasses.replace(record, uncertainty=Uncertainty())
    assert recalibration(bare) + prediction_sets(bare) == ""
    assert not {"lin2007", "vovk2005"} & set(cited_keys(bare))


def test_the_page_has_the_section(whole_page: str, whole_run: Path) -> None:
    has_sets = any(row.reason is None for row in Results.read(whole_run).uncertainty.cutoffs)
    assert ('id="uncertainty"' in whole_page) == has_sets
