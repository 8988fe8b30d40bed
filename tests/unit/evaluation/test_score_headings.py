"""Score tables under the headings and with the words that other tables may have."""

import pandas as pd
import pytest

import nephrograde as ng
from nephrograde.errors import ScoresError

PLAIN = pd.DataFrame(
    {
        "patient_id": list("ABCDEF") * 2,
        "model": ["ours"] * 6 + ["theirs"] * 6,
        "is_high": [0, 0, 0, 1, 1, 1] * 2,
        "p_high": [0.1, 0.3, 0.6, 0.5, 0.8, 0.9, 0.2, 0.7, 0.3, 0.6, 0.4, 0.9],
        "split": "test",
        "fold": "",
        "centre": ["x", "y"] * 6,
    }
)
CHINESE = {
    "patient_id": "患者编号",
    "model": "模型",
    "is_high": "高级别",
    "p_high": "概率",
    "split": "划分",
    "fold": "折",
}
WIDE = str.maketrans("0123456789.", "０１２３４５６７８９．")


def auc_of(frame, **options):
    found = ng.evaluate(frame, bootstraps=100, **options).estimates
    return found[found.measure == "auc"].set_index("model")["value"].to_dict()


EXPECTED = auc_of(PLAIN)


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_chinese_headings_are_recognised_in_files_and_frames(tmp_path, encoding):
    frame = PLAIN.rename(columns=CHINESE)
    assert auc_of(frame) == EXPECTED
    frame.to_csv(tmp_path / "a.csv", index=False, encoding=encoding)
    assert auc_of(tmp_path / "a.csv") == EXPECTED


@pytest.mark.parametrize(
    "headings",
    [
        {"patient_id": "Patient ID", "model": "Model", "is_high": "Truth", "p_high": "Probability"},
        {"patient_id": "病案号", "model": "算法", "is_high": "金标准", "p_high": "预测概率"},
        {"patient_id": "case", "model": "classifier", "is_high": "label", "p_high": "score"},
    ],
)
def test_usual_headings_are_recognised(headings):
    assert auc_of(PLAIN.rename(columns=headings)) == EXPECTED


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ("否", "是"),
        ("低级别", "高级别"),
        ("阴性", "阳性"),
        ("no", "Yes"),
        ("low", "HIGH"),
        ("０", "１"),
        ("0,0", "1.00"),
    ],
)
def test_truths_are_written_in_the_words_of_reads(low, high):
    assert auc_of(PLAIN.assign(is_high=PLAIN.is_high.map({0: low, 1: high}))) == EXPECTED


def test_numbers_may_be_full_width_or_have_a_decimal_comma():
    texts = PLAIN.p_high.map(str)
    assert auc_of(PLAIN.assign(p_high=texts.str.translate(WIDE))) == EXPECTED
    assert auc_of(PLAIN.assign(p_high=texts.str.replace(".", ","))) == EXPECTED


def test_splits_and_folds_may_be_chinese():
    folds = [str(k % 3) for k in range(6)] * 2
    plain = PLAIN.assign(split="oof", fold=folds)
    chinese = plain.assign(split="折外", fold=[fold.translate(WIDE) for fold in folds]).rename(columns=CHINESE)
    pd.testing.assert_frame_equal(
        ng.evaluate(plain, bootstraps=100).estimates, ng.evaluate(chinese, bootstraps=100).estimates
    )
    assert auc_of(PLAIN.assign(split="测试集")) == EXPECTED


def test_a_heading_that_nobody_knows_is_named():
    frame = PLAIN.rename(columns={"p_high": "模型输出", "is_high": "W"})
    with pytest.raises(ScoresError, match=r"there is no column p_high.*--columns") as caught:
        ng.evaluate(frame)
    assert "2 problems" in str(caught.value)
    assert auc_of(frame, columns={"p_high": "模型输出", "is_high": "W"}) == EXPECTED
    with pytest.raises(ScoresError, match="colour is not a column of scores"):
        ng.evaluate(frame, columns={"colour": "W"})
    with pytest.raises(ScoresError, match="there is no column 'V'"):
        ng.evaluate(PLAIN, columns={"p_high": "V"})


def test_a_named_heading_goes_before_a_standard_one():
    frame = PLAIN.assign(better=PLAIN.p_high, p_high=0.5)
    assert auc_of(frame, columns={"p_high": "better"}) == EXPECTED


def test_a_standard_heading_goes_before_a_usual_one_and_other_columns_stay():
    frame = PLAIN.assign(id="Z", score="none", truth=1)
    assert auc_of(frame) == EXPECTED
    found = ng.evaluate(PLAIN.rename(columns=CHINESE), bootstraps=100, subgroups=("centre",)).subgroups
    assert set(found["group"]) == {"x", "y"}


def test_subgroups_of_a_table_without_ids_are_a_problem_of_the_table():
    with pytest.raises(ScoresError, match="no column patient_id"):
        ng.evaluate(PLAIN.drop(columns="patient_id"), subgroups=("centre",))


def test_scores_beside_readers_are_recognised():
    truths = dict(zip(PLAIN.patient_id, PLAIN.is_high, strict=True))
    rows = [
        {"reader": reader, "patient_id": patient, "score": score}
        for reader, given in {"A": [1, 2, 4, 3, 4, 5], "B": [2, 1, 3, 3, 5, 4]}.items()
        for patient, score in zip(truths, given, strict=True)
    ]
    assert ng.readers(pd.DataFrame(rows), PLAIN.rename(columns=CHINESE), model="ours").n == 6
