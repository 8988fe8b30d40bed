from __future__ import annotations

import base64
import dataclasses
import io
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nephrograde.report.tables.examples import Examples, pick_examples, png_data_uri
from nephrograde.results import Results

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.study import Study


@pytest.fixture(scope="module")
def record(whole_run: Path) -> Results:
    return Results.read(whole_run)


@pytest.fixture
def own_record(tmp_path: Path, make_run: Callable[..., Path], make_study: Callable[..., Study]) -> Results:
    """The same run in a folder of its own, for a test that changes it."""
    return Results.read(make_run(tmp_path / "run", make_study()))


@pytest.fixture(scope="module")
def examples(record: Results) -> Examples:
    found = pick_examples(record)
    assert found is not None
    return found


def test_four_kinds_of_calls_count_up_to_the_test_set(record: Results, examples: Examples) -> None:
    assert [group.is_right for group in examples.groups] == [True, True, False, False]
    assert sum(group.count for group in examples.groups) == 12
    tp, tn, fp, fn = (group.count for group in examples.groups)
    for count, measure in ((tp, "tp"), (tn, "tn"), (fp, "fp"), (fn, "fn")):
        estimate = record.estimate(examples.model, measure)
        assert estimate is not None
        assert count == estimate.value


def test_most_confident_calls_come_first(record: Results, examples: Examples) -> None:
    scores = {row.patient_id: row.p_high for row in record.scores.rows if row.model == examples.model}
    high = [scores[example.patient_id] for example in examples.groups[0].examples]
    low = [scores[example.patient_id] for example in examples.groups[1].examples]
    assert high == sorted(high, reverse=True)
    assert low == sorted(low)
    assert len(high) == len(low) == 3


def test_truth_is_the_grade_and_the_slice_is_named(examples: Examples) -> None:
    for group, words in zip(examples.groups[:2], ({"grade 3", "grade 4"}, {"grade 1", "grade 2"}), strict=True):
        assert {example.truth for example in group.examples} <= words
        assert {example.slice_text for example in group.examples} == {"17"}


def test_model_is_chosen_out_of_fold(record: Results) -> None:
    estimates = tuple(
        (model, split, dataclasses.replace(estimate, value=1.0))
        if (model, split, estimate.measure) == ("weak-3-cmp", "oof", "auc")
        else (model, split, estimate)
        for model, split, estimate in record.estimates
    )
    found = pick_examples(dataclasses.replace(record, estimates=estimates))
    assert found is not None
    assert found.model == "weak-3-cmp"


def test_without_oof_auc_the_first_weak_model_is_shown(record: Results) -> None:
    estimates = tuple(row for row in record.estimates if row[1] == "test")
    found = pick_examples(dataclasses.replace(record, estimates=estimates))
    assert found is not None
    assert found.model == "weak-1-cmp"


def test_region_that_is_gone_or_no_slice_is_passed_over(own_record: Results, examples: Examples) -> None:
    first = examples.groups[0].examples[0].patient_id
    row = next(row for row in own_record.regions if (row["patient_id"], row["arm"]) == (first, "weak-1"))
    region_path = own_record.run_dir / "volumes" / row["file"]
    np.save(region_path, np.zeros((1, 2, 4, 4, 4), dtype=np.float16))
    again = pick_examples(own_record)
    assert again is not None
    assert first not in {example.patient_id for example in again.groups[0].examples}
    region_path.unlink()
    assert pick_examples(own_record) == again


def test_no_slices_no_examples(own_record: Results) -> None:
    assert pick_examples(dataclasses.replace(own_record, regions=())) is None
    assert pick_examples(dataclasses.replace(own_record, estimates=())) is None
    for row in own_record.regions:
        (own_record.run_dir / "volumes" / row["file"]).unlink()
    assert pick_examples(own_record) is None


def test_outcome_without_grades_is_said_in_its_own_words(record: Results) -> None:
    bare = tuple(case | {"grade": ""} for case in record.cases)
    found = pick_examples(dataclasses.replace(record, cases=bare))
    assert found is not None
    assert found.groups[0].heading == "correctly called isup_grade = 1"
    assert found.groups[0].examples[0].truth == "isup_grade = 1"


def test_picture_keeps_its_rows_and_greys() -> None:
    from PIL import Image

    picture = np.array([[0.0, 0.5, 1.0], [2.0, -1.0, np.nan]], dtype=np.float32)
    data = base64.b64decode(png_data_uri(picture).removeprefix("data:image/png;base64,"))
    with Image.open(io.BytesIO(data)) as image:
        assert np.asarray(image).tolist() == [[0, 128, 255], [255, 0, 0]]
