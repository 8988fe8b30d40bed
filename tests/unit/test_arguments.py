"""Arguments of the public functions that are of another kind than they should be: named, never passed on."""

# mypy: disable-error-code="misc"

import math
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import nephrograde
from nephrograde.errors import InputError
from nephrograde.predict.grader import Grader
from nephrograde.report.text.language import speaking
from nephrograde.report.text.messages import problem_in_words

ng: Any = nephrograde
"""As it is for people who run no type checker."""

SCORES = [0.1, 0.2, 0.3, 0.4]
TRUTHS = [0, 1, 0, 1]
TABLE = pd.DataFrame(
    {
        "patient_id": list("ABCDEF"),
        "model": "m",
        "is_high": [0, 0, 0, 1, 1, 1],
        "p_high": [0.1, 0.3, 0.6, 0.5, 0.8, 0.9],
    }
)
GRADER = Grader.__new__(Grader)
NO_PATHS: list[Any] = [None, 5, [1, 2], b"runs", "a\0b", pd.DataFrame()]
NO_SHARES: list[Any] = [95, 0, 1, -0.5, math.nan, math.inf, "0.9", None, [0.9], True, 0.9j]
NO_NUMBERS: list[Any] = ["x", [0.8], math.nan, 0.8j]
NO_SCORES: list[Any] = [
    ["a", "b"],
    ["0.1", "0.2"],
    [[0.1], [0.2, 0.3]],
    [1j, 2],
    iter((0.1, 0.2)),
    {"a": 1},
    None,
    0.5,
    pd.Series(["0.1", "0.2"]),
    pd.to_datetime(["2020-01-01", "2020-01-02"]),
    [0.1, pd.NA],
    [10**400, 1],
]
VECTORS = {"p_high": SCORES, "is_high": TRUTHS}
PAIR = {"p_high_a": SCORES, "p_high_b": SCORES, "is_high": TRUTHS}
PLANNED = {"auc": 0.8, "high": 0.4}

CASES: list[tuple[str, dict[str, Any], str, list[Any]]] = [
    ("evaluate", {}, "scores", [None, 5, [1, 2], b"a.csv", "a\0b"]),
    ("auc", VECTORS, "confidence", NO_SHARES),
    ("auc", VECTORS, "p_high", NO_SCORES),
    ("auc", VECTORS, "is_high", [[[0], [1, 0]]]),
    ("compare", PAIR, "confidence", NO_SHARES),
    ("compare", PAIR, "p_high_b", NO_SCORES),
    ("readers", {}, "reads", [None, 3, [1]]),
    ("readers", {"reads": "reads.csv"}, "scores", [3, [1]]),
    ("readers", {"reads": "reads.csv"}, "confidence", NO_SHARES),
    ("readers", {"reads": "reads.csv"}, "covariance", ["x", None, ["delong"]]),
    ("readers", {"reads": "reads.csv"}, "columns", ["reader", 3, {"reader": 1}]),
    ("readers", {"reads": "reads.csv"}, "encoding", [8]),
    ("plan", PLANNED, "auc", NO_NUMBERS),
    ("plan", PLANNED, "high", [*NO_NUMBERS, 1.4]),
    ("plan", PLANNED, "width", ["x", None]),
    ("plan", PLANNED, "predictors", ["a", 2.5, 0, True, math.nan]),
    ("plan", {}, "run", [5]),
    ("plan", PLANNED, "validates", ["no"]),
    ("audit", {}, "table", [5, [1], pd.DataFrame({"n": [90]})]),
    ("audit", {"n": "90", "auc": "0.8"}, "against", ["x", ["b"], {"b": "0.9"}, {1: {"auc": "0.9"}}]),
    ("open_run", {}, "run_dir", NO_PATHS),
    ("load_study", {}, "study_path", NO_PATHS),
    ("load_study", {"study_path": "study.toml"}, "overrides", ["fit.epochs=2", 3, [3]]),
    ("run_study", {}, "study", NO_PATHS),
    ("run_study", {"study": "study.toml"}, "run_dir", [5]),
    ("run_study", {"study": "study.toml"}, "reason", [5]),
    ("read_volume", {}, "image_path", NO_PATHS),
    ("scan_folder", {}, "folder", NO_PATHS),
    ("scan_folder", {"folder": "export"}, "look", ["some"]),
    ("scan_folder", {"folder": "export"}, "workers", [0, 1.5, "2"]),
    ("deidentify", {"out": "out", "key": "key.csv"}, "folder", NO_PATHS),
    ("deidentify", {"folder": "export", "out": "out"}, "key", NO_PATHS),
    ("load_grader", {"model": "strong-cmp"}, "run", NO_PATHS),
    ("load_grader", {"run": "."}, "model", [3]),
    ("pack", {"model": "strong-cmp", "out": "grader.zip"}, "run", NO_PATHS),
    ("pack", {"run": "run", "out": "grader.zip"}, "model", [None, 3]),
    ("pack", {"run": "run", "model": "strong-cmp"}, "out", NO_PATHS),
    ("grade_to_dicom", {"image": "ct", "out_dir": "out"}, "grader", ["run", None]),
    ("grade_to_dicom", {"grader": GRADER, "out_dir": "out"}, "image", [None, 3, []]),
    ("grade_to_dicom", {"grader": GRADER, "image": "ct"}, "out_dir", NO_PATHS),
    ("grade_to_dicom", {"grader": GRADER, "image": "ct", "out_dir": "out"}, "box", [(1, 2, 3)]),
    ("grade_to_dicom", {"grader": GRADER, "image": "ct", "out_dir": "out"}, "mask", [3]),
]
GRADED: list[tuple[str, Any]] = [
    ("image", None),
    ("image", 3),
    ("image", []),
    ("image", [3]),
    ("mask", 3),
    ("box", (1, 2, 3)),
    ("point", (1, 2, 3)),
    ("slice", 41),
    ("pixel_mm", "0.7"),
]


def refused(function: Callable[..., Any], **arguments: Any) -> list[str]:
    """The places of all problems, each of which has its Chinese."""
    with pytest.raises(InputError) as caught:
        function(**arguments)
    with speaking("zh"):
        told = [problem_in_words(problem) for problem in caught.value.problems]
    assert not [text for text in told if re.search(r"(accept|needs|Give|Use|is) ", text)]
    return [problem.place for problem in caught.value.problems]


@pytest.mark.parametrize(("function", "others", "name", "values"), CASES)
def test_an_argument_of_another_kind_is_an_input_error_that_names_it(function, others, name, values):
    for value in values:
        assert refused(getattr(ng, function), **{**others, name: value}) == [f"{function}.{name}"], value


@pytest.mark.parametrize("language", ["fr", None, 3, "../en"])
def test_a_plan_is_written_in_the_languages_that_there_are(language):
    assert refused(ng.plan(**PLANNED).text, language=language) == ["Plan.text.language"]


@pytest.mark.parametrize(("name", "value"), GRADED)
def test_a_grader_refuses_arguments_of_another_kind_before_it_reads_its_networks(name, value):
    grader = Grader.__new__(Grader)
    assert refused(partial(Grader.grade, grader), **{"image": "scan.nii.gz", name: value}) == [f"Grader.grade.{name}"]


def test_all_arguments_of_another_kind_are_listed_at_once():
    with pytest.raises(InputError) as caught:
        ng.auc(["a"], TRUTHS, confidence=95)
    assert [problem.place for problem in caught.value.problems] == ["auc.p_high", "auc.confidence"]


@pytest.mark.parametrize("scores", [SCORES, np.array(SCORES, dtype=np.float32), pd.Series(SCORES), [0, 1, 2, 3]])
@pytest.mark.parametrize("confidence", [0.9, np.float32(0.9)])
def test_what_people_hold_is_accepted(scores, confidence):
    assert ng.auc(scores, TRUTHS, confidence=confidence).value == 0.75
    assert ng.compare(scores, scores, np.array(TRUTHS, dtype=bool), confidence=confidence).difference == 0.0


def test_a_whole_number_of_numpy_counts_predictors():
    assert ng.plan(auc=0.8, high=0.4, predictors=np.int64(5)).development


def test_paths_may_be_of_both_kinds(tmp_path):
    for folder in (str(tmp_path), Path(tmp_path)):
        with pytest.raises(ng.NephrogradeError):
            ng.open_run(folder)


@pytest.mark.parametrize("against", [None, {}, {"b": {"auc": "0.9"}, "c": {"auc": "0.85"}}])
def test_a_p_value_of_an_audit_needs_the_one_model_that_it_compares_with(against):
    with pytest.raises(InputError) as caught:
        ng.audit(n="90", auc="0.8", p="0.05", against=against)
    assert [problem.place for problem in caught.value.problems] == ["audit.p"]
    given = ng.audit(n="90", auc="0.8", p="0.05", against={"b": {"auc": "0.9"}})
    beside = ng.audit(n="90", auc="0.8", against={"b": {"auc": "0.9", "p": "0.05"}})
    assert given.as_dict() == beside.as_dict()
