"""A DataFrame is read as the file of the same cells would be."""

import numpy as np
import pandas as pd
import pytest

import nephrograde as ng
from nephrograde.errors import InputError, NephrogradeError, ScoresError


def scores(ids: tuple[str, ...] = ("P1", "P2", "P3", "P4", "P5", "P6")) -> pd.DataFrame:
    truths = [0, 0, 0, 1, 1, 1]
    first = pd.DataFrame({"patient_id": ids, "model": "a", "is_high": truths, "p_high": [0.1, 0.3, 0.6, 0.5, 0.8, 0.9]})
    plain = [patient_id.strip("\u200b \t\u00a0") for patient_id in ids]
    return pd.concat([first, first.assign(patient_id=plain, model="b ", p_high=first.p_high[::-1])], ignore_index=True)


def reads(ids: tuple[str, ...] = ("P1", "P2", "P3", "P4", "P5", "P6")) -> pd.DataFrame:
    rows = [
        {"reader": reader, "patient_id": patient_id, "score": score, "is_high": int(k > 2)}
        for reader, given in {"A": [1, 2, 4, 3, 4, 5], "B": [2, 1, 3, 3, 5, 4]}.items()
        for k, (patient_id, score) in enumerate(zip(ids, given, strict=True))
    ]
    return pd.DataFrame(rows)


def test_ids_and_models_are_stripped_as_in_a_file(tmp_path):
    frame = scores(("P1 ", " P2", "P3\t", "P4\u00a0", "\u200bP5", "P6"))
    frame.to_csv(tmp_path / "scores.csv", index=False)
    found = ng.evaluate(frame, bootstraps=100)
    of_file = ng.evaluate(tmp_path / "scores.csv", bootstraps=100)
    pd.testing.assert_frame_equal(found.comparisons, of_file.comparisons)
    assert found.comparisons.set_index("measure").loc["auc", "n"] == 6
    assert set(found.comparisons["model_b"]) == {"b"}


def test_headings_are_cleaned_as_in_a_file():
    frame = (
        scores().rename(columns={"p_high": " p_high\n", "is_high": "is_high\u200b"}).assign(**{"tumour  side": "left"})
    )
    found = ng.evaluate(frame, bootstraps=100, subgroups=("tumour  side",))
    assert set(found.subgroups["column"]) == {"tumour  side"}


def test_two_columns_of_one_name_are_refused_as_in_a_file():
    frame = scores()
    doubled = pd.concat([frame, frame[["p_high"]] * 0.5], axis=1)
    with pytest.raises(ScoresError, match="'p_high' is used for 2 columns"):
        ng.evaluate(doubled)
    doubled = pd.concat([reads(), reads()[["score"]]], axis=1)
    with pytest.raises(InputError) as caught:
        ng.readers(doubled)
    assert "'score' is used for 2 columns" in caught.value.problems[0].what


def test_the_scores_of_a_model_beside_readers_are_read_alike():
    beside = scores(("P1 ", " P2", "P3", "P4", "P5", "P6")).query("model == 'a'")
    assert ng.readers(reads(), beside).n == 6


@pytest.mark.parametrize(
    "frame", [pd.DataFrame(), scores().iloc[:0], pd.DataFrame({"": [1]}), pd.DataFrame([[np.nan]])]
)
def test_a_frame_without_rows_or_headings_is_refused(frame):
    with pytest.raises(NephrogradeError):
        ng.evaluate(frame)
    with pytest.raises(NephrogradeError):
        ng.readers(frame)
