"""An item of a checklist is complete only with every piece of its evidence, and open without any one of them."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import pytest

from nephrograde.cohort.split import Split
from nephrograde.evaluation.calibration.benefit import BenefitPoint
from nephrograde.evaluation.performance.subgroup import SubgroupEstimate
from nephrograde.evaluation.remarks import Caution
from nephrograde.evaluation.scores.scale import ScaleRow
from nephrograde.evaluation.scores.scores import Scores
from nephrograde.report.methods.checklist import FilledItem, fill_checklists
from nephrograde.results import Results
from nephrograde.run.parts import RunPart
from nephrograde.vocabulary import BASELINES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.study import Study

IMAGE = ("windowing", "field_of_view", "resampling")
MISSING = ("missing_scans", "missing_outcomes", "missing_values", "missing_handling")
EVIDENCE: dict[tuple[str, str], tuple[str, ...]] = {
    ("clear", "15"): ("split", "partition", "disjoint"),
    ("clear", "21"): ("windowing", "field_of_view", "slice_choice"),
    ("clear", "22"): ("resampling", "field_of_view"),
    ("clear", "23"): ("discretisation",),
    ("clear", "29"): MISSING,
    ("clear", "30"): ("class_balance", "partition"),
    ("clear", "34"): ("networks", "ensemble", "software"),
    ("clear", "38"): ("internal_test",),
    ("clear", "40"): ("measures",),
    ("clear", "41"): ("comparisons",),
    ("clear", "42"): ("baselines", "baseline_comparison"),
    ("clear", "44"): ("characteristics",),
    ("claim", "9"): IMAGE,
    ("claim", "10"): ("phases", "field_of_view", "slice_choice"),
    ("claim", "12"): MISSING,
    ("claim", "19"): ("split", "partition"),
    ("claim", "20"): ("disjoint",),
    ("claim", "22"): ("networks", "field_of_view", "output", "code"),
    ("claim", "23"): ("software", "machine"),
    ("claim", "24"): ("initial_weights", "own_start", "seeds"),
    ("claim", "25"): ("learning", "stopping", "augmentation", "class_balance"),
    ("claim", "27"): ("ensemble", "common_scale"),
    ("claim", "28"): ("measures",),
    ("claim", "29"): ("measures", "comparisons"),
    ("claim", "32"): ("internal_test", "ensemble"),
    ("claim", "36"): ("characteristics",),
    ("claim", "37"): ("performance",),
    ("claim", "38"): ("performance", "proportions", "thresholds"),
    ("tripod-ai", "11"): (*MISSING, "exclusions"),
    ("tripod-ai", "12b"): IMAGE,
    ("tripod-ai", "12g"): ("ensemble", "common_scale", "code"),
    ("tripod-ai", "20c"): ("characteristics",),
    ("tripod-ai", "23a"): ("performance", "proportions", "subgroup_performance"),
    ("metrics", "4"): ("centres",),
    ("metrics", "11"): (*IMAGE, "discretisation"),
    ("metrics", "13"): ("networks", "augmentation", "feature_classes", "settings"),
    ("metrics", "18"): ("split", "disjoint", "internal_test", "thresholds_apart"),
    ("metrics", "20"): ("measures", "wrong_calls", "learning_curves"),
    ("metrics", "21"): ("measures",),
    ("metrics", "22"): ("calibration",),
    ("metrics", "23"): ("one_phase",),
    ("metrics", "24"): ("baselines", "baseline_comparison"),
    ("metrics", "25"): ("baselines", "baseline_comparison"),
    ("metrics", "26"): ("internal_test",),
    ("probast-ai", "D 2.2"): IMAGE,
    ("probast-ai", "E 2.2"): IMAGE,
    ("probast-ai", "D 4.4"): ("recalibration",),
    ("probast-ai", "D 4.5"): ("stopping", "augmentation"),
    ("probast-ai", "E 4.1"): ("ensemble", "performance"),
    ("probast-ai", "E 4.4"): ("class_balance",),
    ("probast-ai", "E 4.5"): ("split", "disjoint", "thresholds_apart"),
    ("probast-ai", "E 4.7"): ("measures", "calibration", "net_benefit"),
}
"""What each item that a run can complete asks, read from the published lists."""


def without_measures(run: Results, *measures: str) -> Results:
    kept = tuple(row for row in run.estimates if row[2].measure not in measures)
    return dataclasses.replace(run, estimates=kept)


def without_interval(run: Results, measure: str) -> Results:
    def cut(row: Any) -> Any:
        bare = dataclasses.replace(row[2], low=math.nan, high=math.nan)
        return (*row[:2], bare) if row[2].measure == measure else row

    return dataclasses.replace(run, estimates=tuple(map(cut, run.estimates)))


def without_columns(run: Results, *columns: str) -> Results:
    cases = tuple({name: value for name, value in case.items() if name not in columns} for case in run.cases)
    return dataclasses.replace(run, cases=cases)


def with_study(run: Results, **changes: Any) -> Results:
    assert run.study is not None
    return dataclasses.replace(run, study=run.study.model_copy(update=changes))


def with_weights(run: Results) -> Results:
    from nephrograde.study import InitialWeights

    assert run.study is not None
    given = InitialWeights.model_validate({"path": "resnet18.pth", "sha256": "ab" * 32})
    return with_study(run, fit=run.study.fit.model_copy(update={"weights_2d": given}))


def balanced(run: Results) -> Results:
    assert run.study is not None
    return with_study(run, fit=run.study.fit.model_copy(update={"balanced": True}))


def with_split_column(run: Results) -> Results:
    assert run.study is not None
    return with_study(run, split=run.study.split.model_copy(update={"column": "site"}))


def without_baseline_scores(run: Results) -> Results:
    return dataclasses.replace(run, scores=Scores(tuple(row for row in run.scores.rows if row.model not in BASELINES)))


def without_baseline_tests(run: Results) -> Results:
    kept = tuple(pair for pair in run.comparisons if not {pair.model_a, pair.model_b} & set(BASELINES))
    return dataclasses.replace(run, comparisons=kept)


def without_histories(run: Results) -> Results:
    return dataclasses.replace(run, fits=tuple(dataclasses.replace(fit, history=()) for fit in run.fits))


def without_study(run: Results) -> Results:
    return dataclasses.replace(run, study=None)


def without_cases(run: Results) -> Results:
    return dataclasses.replace(run, cases=())


def without_split(run: Results) -> Results:
    return dataclasses.replace(run, split=Split({}))


def without_test_scores(run: Results) -> Results:
    return dataclasses.replace(run, scores=Scores(tuple(row for row in run.scores.rows if row.split == "oof")))


def wide_open(row: SubgroupEstimate) -> SubgroupEstimate:
    return dataclasses.replace(row, low=math.nan, high=math.nan, caution=Caution.TOO_FEW, caution_value=10)


def without_lock(run: Results) -> Results:
    return dataclasses.replace(run, lock={})


WITHOUT: dict[str, tuple[Callable[[Results], Results], ...]] = {
    **dict.fromkeys(
        (*IMAGE, "slice_choice", "discretisation", "feature_classes", "networks", "ensemble", "phases"),
        (without_study,),
    ),
    **dict.fromkeys(("settings", "class_balance", "output", "initial_weights", "seeds", "split"), (without_study,)),
    **dict.fromkeys(("learning", "stopping", "augmentation"), (without_study,)),
    **dict.fromkeys(MISSING, (without_cases,)),
    **dict.fromkeys(("partition", "disjoint"), (without_split,)),
    "software": (
        lambda run: dataclasses.replace(run, fits=()),
        lambda run: dataclasses.replace(run, lock={**run.lock, "versions": {"nephrograde": "0.1.0", "numpy": "2.0"}}),
    ),
    "machine": (without_lock,),
    "code": (without_lock,),
    "own_start": (with_weights,),
    "internal_test": (with_split_column, without_test_scores),
    "measures": (lambda run: dataclasses.replace(run, estimates=()),),
    "performance": (lambda run: without_measures(run, "auc"), lambda run: without_interval(run, "auc")),
    "proportions": (
        lambda run: without_measures(run, "sensitivity"),
        lambda run: without_interval(run, "specificity"),
    ),
    "thresholds": (lambda run: without_measures(run, "threshold"),),
    "thresholds_apart": (lambda run: without_measures(run, "threshold"), without_test_scores),
    "wrong_calls": (lambda run: without_measures(run, "fn"),),
    "calibration": (
        lambda run: dataclasses.replace(
            without_measures(run, "brier", "calibration_intercept", "calibration_slope", "ece"),
            absent=run.absent | {RunPart.CALIBRATION},
        ),
    ),
    "net_benefit": (lambda run: dataclasses.replace(run, net_benefit=()),),
    "comparisons": (lambda run: dataclasses.replace(run, comparisons=()),),
    "baselines": (without_baseline_scores,),
    "baseline_comparison": (without_baseline_tests,),
    "characteristics": (
        lambda run: without_columns(run, "age_years"),
        lambda run: without_columns(run, "sex"),
        without_split,
    ),
    "exclusions": (lambda run: dataclasses.replace(run, absent=run.absent | {RunPart.FINDINGS}),),
    "subgroup_performance": (
        lambda run: dataclasses.replace(run, subgroups=()),
        lambda run: dataclasses.replace(run, subgroups=tuple(wide_open(row) for row in run.subgroups)),
        lambda run: dataclasses.replace(
            run, subgroups=tuple(dataclasses.replace(row, split="oof") for row in run.subgroups)
        ),
    ),
    "centres": (
        lambda run: without_columns(run, "centre"),
        lambda run: dataclasses.replace(run, cases=tuple({**case, "centre": "B"} for case in run.cases)),
    ),
    "learning_curves": (without_histories,),
    "one_phase": (without_study,),
    "common_scale": (lambda run: dataclasses.replace(run, scales=()),),
    "recalibration": (lambda run: dataclasses.replace(balanced(run), scales=()),),
}
"""How each piece of evidence is taken away, one way or several."""


@pytest.fixture(scope="module")
def whole(whole_run: Path, make_study: Callable[..., Study]) -> Results:
    """A run with all the evidence: unbalanced batches, subgroups and decision curves besides the usual."""
    part = SubgroupEstimate("weak-1-cmp", "test", "sex", "male", 6, 3, 0.8, 0.6, 1.0, 0.3, "DeLong")
    return dataclasses.replace(
        Results.read(whole_run),
        study=make_study(fit={"balanced": False}),
        subgroups=(part,),
        net_benefit=(BenefitPoint("weak-1-cmp", "test", 0.05, 0.2, 0.1, 12, 6),),
    )


def find(run: Results, place: tuple[str, str]) -> FilledItem:
    key, number = place
    chosen = next(filled for filled in fill_checklists(run) if filled.key == key)
    return next(item for item in chosen.items if item.number == number)


@pytest.fixture(scope="module")
def complete_items(whole: Results) -> set[tuple[str, str]]:
    return {(filled.key, item.number) for filled in fill_checklists(whole) for item in filled.items if is_run(item)}


def is_run(item: FilledItem) -> bool:
    return item.filled_by == "run"


def test_exactly_these_items_can_be_complete(complete_items: set[tuple[str, str]]) -> None:
    assert complete_items == set(EVIDENCE)


@pytest.mark.slow
@pytest.mark.parametrize("place", EVIDENCE, ids=" ".join)
def test_item_is_complete_with_all_its_evidence_and_open_without_any_of_it(
    whole: Results, place: tuple[str, str]
) -> None:
    item = find(whole, place)
    assert is_run(item)
    assert item.missing == ()
    for name in EVIDENCE[place]:
        for take_away in WITHOUT[name]:
            left = find(take_away(whole), place)
            assert not is_run(left), name
            assert left.answer, name


def test_score_table_completes_only_what_its_scores_answer(foreign_run: Path) -> None:
    run = Results.read(foreign_run)
    complete = {(filled.key, item.number) for filled in fill_checklists(run) for item in filled.items if is_run(item)}
    assert complete == {
        *(("clear", number) for number in ("40", "41")),
        *(("claim", number) for number in ("28", "29", "37", "38")),
        *(("metrics", number) for number in ("21", "22")),
        ("probast-ai", "E 4.7"),
    }
    answers = [item.answer for filled in fill_checklists(run) for item in filled.items]
    assert not [text for text in answers for word in ("ResNet", "AdamW", "synthetic") if word in text]


def test_missing_evidence_is_named(whole: Results) -> None:
    item = find(without_baseline_tests(whole), ("clear", "42"))
    assert item.missing == ("the test of each network against a non-radiomic model",)
    assert find(whole, ("clear", "47")).missing == ("performance on the patients that the networks were trained on",)


def test_score_of_metrics_counts_weights_of_what_applies(whole: Results) -> None:
    score = next(filled.score for filled in fill_checklists(whole) if filled.key == "metrics")
    assert score is not None
    shown = {4: 0.0438, 11: 0.0622, 13: 0.0415, 18: 0.0599, 20: 0.0352, 21: 0.0234, 22: 0.0176, 23: 0.0117}
    shown |= {24: 0.0293, 25: 0.0176, 26: 0.0375}
    whole_weight = 1.0000 - 0.0311 - 0.02 - 0.02 - 0.03  # without hand-crafted features, their items do not apply
    assert score.low == pytest.approx(100 * sum(shown.values()) / whole_weight, abs=0.05)
    assert score.high == pytest.approx(100 * (whole_weight - 0.0749) / whole_weight, abs=0.05)  # no external test
    assert score.open_items[:3] == ("1", "2", "3")
    assert "27" not in score.open_items
    assert find(whole, ("metrics", "27")).filled_by == "not met"
    assert find(whole, ("metrics", "14")).filled_by == "not applicable"
    assert find(dataclasses.replace(without_baseline_tests(whole)), ("metrics", "24")).filled_by == "not met"


def test_networks_of_balanced_batches_are_recalibrated_if_each_has_its_scale(whole: Results) -> None:
    run = balanced(whole)
    models = {fit.model for fit in run.fits}
    rows = tuple(ScaleRow(name, fold, 0.3, -0.8, 0.0, 1.0, 9) for name in models for fold in (0, 1, 2, None))
    assert find(dataclasses.replace(run, scales=rows), ("probast-ai", "D 4.4")).filled_by == "run"
    partly = tuple(row for row in rows if row.model != "weak-1-cmp")
    assert find(dataclasses.replace(run, scales=partly), ("probast-ai", "D 4.4")).filled_by == "author"


def test_radiomic_features_make_their_items_apply(whole: Results) -> None:
    rows = tuple(dataclasses.replace(row, model="radiomics") for row in whole.scores.rows if row.model == "size")
    scores = Scores((*whole.scores.rows, *rows))
    run = dataclasses.replace(whole, scores=scores, lock={**whole.lock, "versions": {"mirp": "2.5.0"}})
    assert find(run, ("metrics", "12")).filled_by == "run"
    assert find(dataclasses.replace(run, lock={}), ("metrics", "12")).filled_by == "author"
    assert find(run, ("metrics", "14")).filled_by == "author"


def test_nothing_is_known_of_where_a_score_table_was_tested(foreign_run: Path) -> None:
    run = Results.read(foreign_run)
    assert {find(run, ("metrics", number)).filled_by for number in ("9", "12", "17", "24", "26", "27")} == {"author"}
