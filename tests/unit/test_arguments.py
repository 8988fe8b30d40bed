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
NO_PATHS: list[Any] = [None, 5, [1, 2], b"runs", "a\0b", pd.DataFrame()]
NO_SHARES: list[Any] = [95, 0, 1, -0.5, math.nan, math.inf, "0.9", None, [0.9], True, 0.9j]


def _grade(**arguments: Any) -> Any:
    """Grade with a grader that has no networks: it refuses its arguments before it needs them."""
    return Grader.grade(Grader.__new__(Grader), **{"image": "scan.nii.gz", **arguments})


CALLS: dict[str, list[Callable[[], Any]]] = {
    "evaluate.scores": [lambda value=value: ng.evaluate(value) for value in (None, 5, [1, 2], b"a.csv", "a\0b")],
    "auc.confidence": [lambda value=value: ng.auc(SCORES, TRUTHS, confidence=value) for value in NO_SHARES],
    "compare.confidence": [
        lambda value=value: ng.compare(SCORES, SCORES, TRUTHS, confidence=value) for value in NO_SHARES
    ],
    "readers.confidence": [lambda value=value: ng.readers("reads.csv", confidence=value) for value in NO_SHARES],
    "readers.reads": [lambda value=value: ng.readers(value) for value in (None, 3, [1])],
    "readers.scores": [lambda value=value: ng.readers("reads.csv", value) for value in (3, [1])],
    "readers.covariance": [
        lambda value=value: ng.readers("reads.csv", covariance=value) for value in ("x", None, ["delong"])
    ],
    "readers.columns": [
        lambda value=value: ng.readers("reads.csv", columns=value) for value in ("reader", 3, {"reader": 1})
    ],
    "readers.encoding": [lambda: ng.readers("reads.csv", encoding=8)],
    "auc.p_high": [
        lambda value=value: ng.auc(value, [0, 1])
        for value in (
            ["a", "b"],
            ["0.1", "0.2"],
            [[0.1], [0.2, 0.3]],
            [1j, 2],
            (one for one in (0.1, 0.2)),
            {"a": 1},
            None,
            pd.Series(["0.1", "0.2"]),
            pd.to_datetime(["2020-01-01", "2020-01-02"]),
            [0.1, pd.NA],
            [10**400, 1],
        )
    ],
    "auc.is_high": [lambda: ng.auc([0.1, 0.2], [[0], [1, 0]])],
    "compare.p_high_b": [lambda: ng.compare(SCORES, ["a", "b", "c", "d"], TRUTHS)],
    "plan.auc": [lambda value=value: ng.plan(auc=value, high=0.4) for value in ("x", [0.8], math.nan, 0.8j)],
    "plan.high": [lambda value=value: ng.plan(auc=0.8, high=value) for value in ("x", [0.4], 1.4)],
    "plan.width": [lambda value=value: ng.plan(auc=0.8, high=0.4, width=value) for value in ("x", None)],
    "plan.predictors": [
        lambda value=value: ng.plan(auc=0.8, high=0.4, predictors=value) for value in ("a", 2.5, 0, True, math.nan)
    ],
    "plan.run": [lambda: ng.plan(run=5)],
    "plan.validates": [lambda: ng.plan(auc=0.8, high=0.4, validates="no")],
    "Plan.text.language": [
        lambda value=value: ng.plan(auc=0.8, high=0.4).text(value) for value in ("fr", None, 3, "../en")
    ],
    "audit.table": [lambda value=value: ng.audit(value) for value in (5, [1], pd.DataFrame({"n": [90]}))],
    "audit.against": [
        lambda value=value: ng.audit(n="90", auc="0.8", against=value)
        for value in ("x", ["b"], {"b": "0.9"}, {1: {"auc": "0.9"}})
    ],
    "open_run.run_dir": [lambda value=value: ng.open_run(value) for value in NO_PATHS],
    "load_study.study_path": [lambda value=value: ng.load_study(value) for value in NO_PATHS],
    "load_study.overrides": [
        lambda value=value: ng.load_study("study.toml", value) for value in ("fit.epochs=2", 3, [3])
    ],
    "run_study.study": [lambda value=value: ng.run_study(value) for value in NO_PATHS],
    "run_study.run_dir": [lambda: ng.run_study("study.toml", 5)],
    "run_study.reason": [lambda: ng.run_study("study.toml", reason=5)],
    "read_volume.image_path": [lambda value=value: ng.read_volume(value) for value in NO_PATHS],
    "scan_folder.folder": [lambda value=value: ng.scan_folder(value) for value in NO_PATHS],
    "scan_folder.look": [lambda: ng.scan_folder("export", look="some")],
    "scan_folder.workers": [lambda value=value: ng.scan_folder("export", workers=value) for value in (0, 1.5, "2")],
    "deidentify.folder": [lambda: ng.deidentify(None, "out", key="key.csv")],
    "deidentify.key": [lambda: ng.deidentify("export", "out", key=None)],
    "load_grader.run": [lambda value=value: ng.load_grader(value, "strong-cmp") for value in NO_PATHS],
    "load_grader.model": [lambda value=value: ng.load_grader("run", value) for value in (None, 3)],
    **{
        f"Grader.grade.{name}": [partial(_grade, **{name: value}) for value in values]
        for name, values in {
            "image": (None, 3, [], [3]),
            "mask": (3,),
            "box": ((1, 2, 3), 3),
            "point": ((1, 2, 3),),
            "slice": (41,),
            "pixel_mm": ("0.7",),
        }.items()
    },
}


@pytest.mark.parametrize(("place", "call"), [(place, call) for place, calls in CALLS.items() for call in calls])
def test_an_argument_of_another_kind_is_an_input_error_that_names_it(place, call):
    with pytest.raises(InputError) as caught:
        call()
    assert [problem.place for problem in caught.value.problems] == [place]
    with speaking("zh"):
        told = problem_in_words(caught.value.problems[0])
    assert not re.search(r"(accept|needs|Give|Use|is) ", told), told


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
