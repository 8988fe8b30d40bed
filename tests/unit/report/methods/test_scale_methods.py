"""What the methods say of the correction for balanced batches, and of the scale of the networks' mean."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from nephrograde.report.methods.paragraph import methods_paragraph
from nephrograde.report.methods.scale_methods import common_scale, prior_correction
from nephrograde.report.text.language import speaking
from nephrograde.results import Results

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def record(whole_run: Path) -> Results:
    return Results.read(whole_run)


def test_the_prevalence_and_the_factor_are_told(record: Results) -> None:
    assert "(47%; Saerens 2002)" in prior_correction(record)
    assert "factor 1.25)" in common_scale(record)
    assert prior_correction(record) in " ".join(methods_paragraph(record))
    with speaking("zh"):
        assert "47%" in prior_correction(record)
        assert "系数1.25" in common_scale(record)
        assert common_scale(record) in methods_paragraph(record)


def test_different_networks_give_a_range(record: Results) -> None:
    scales = tuple(
        dataclasses.replace(row, prevalence=0.2, slope=2.0) if row.model == "strong-np" else row
        for row in record.scales
    )
    changed = dataclasses.replace(record, scales=scales)
    assert "(20–47%; Saerens 2002)" in prior_correction(changed)
    assert "factor 1.25–2.00)" in common_scale(changed)


def test_networks_of_plain_batches_were_not_corrected(record: Results) -> None:
    plain = tuple(dataclasses.replace(row, prior_shift=0.0) for row in record.scales)
    assert prior_correction(dataclasses.replace(record, scales=plain)) == ""


def test_without_networks_nothing_is_told(foreign_run: Path) -> None:
    foreign = Results.read(foreign_run)
    assert prior_correction(foreign) + common_scale(foreign) == ""


def test_a_fold_with_as_many_of_either_grade_counts_though_nothing_had_to_be_shifted(record: Results) -> None:
    scales = tuple(
        dataclasses.replace(row, prevalence=0.5, prior_shift=0.0) if row.fold == 0 else row for row in record.scales
    )
    assert "(47–50%; Saerens 2002)" in prior_correction(dataclasses.replace(record, scales=scales))
    even = tuple(dataclasses.replace(row, prevalence=0.5, prior_shift=0.0) for row in record.scales)
    assert "(50%; Saerens 2002)" in prior_correction(dataclasses.replace(record, scales=even))
