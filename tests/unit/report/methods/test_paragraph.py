"""The methods paragraph says what the run did, and nothing that it does not know."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nephrograde.cohort.split import Split
from nephrograde.evaluation.benefit import BenefitPoint
from nephrograde.evaluation.calibration import CalibrationPoint
from nephrograde.evaluation.equivalence import Equivalence
from nephrograde.evaluation.ledger import Opening
from nephrograde.evaluation.metrics import Estimate
from nephrograde.evaluation.remarks import Reason
from nephrograde.evaluation.scores import ModelScores
from nephrograde.evaluation.subgroup import SubgroupEstimate
from nephrograde.evaluation.threshold import choose_threshold
from nephrograde.report.methods import design_methods as design
from nephrograde.report.methods import statistical_methods as statistics
from nephrograde.report.methods.paragraph import caution, methods_paragraph, software
from nephrograde.report.text.language import speaking
from nephrograde.results import Results, RunPart
from nephrograde.study import EvaluateSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.study import Study


@pytest.fixture
def record(whole_run: Path) -> Results:
    return Results.read(whole_run)


@pytest.fixture
def evidence(whole_run: Path) -> Results:
    """The whole run, with further statistics of one model and one opening of the test set."""
    nan = math.nan
    pair = Equivalence("a", "b", 0.05, 0.01, -0.02, 0.04, 0.01, 0.02, 0.02, 0.081, 300, 12, 6, "paired DeLong")
    points = [BenefitPoint("a", "test", at, 0.2, 0.1, 12, 6) for at in (0.05, 0.6)]
    part = SubgroupEstimate("a", "test", "size_cm", "≤ 4 cm", 6, 3, 0.8, 0.6, 1.0, nan, "DeLong")
    return dataclasses.replace(
        Results.read(whole_run),
        equivalences=(pair, dataclasses.replace(pair, detectable=0.12)),
        net_benefit=tuple(points),
        subgroups=(part,),
        calibration=(CalibrationPoint("a", "test", 0.2, 0.3, 0.1, 0.5),),
        openings=(OPENING,),
    )


OPENING = Opening("2026-05-04T09:30:00+00:00", "s", "first evaluation", "nephrograde run", "1")


def with_study(record: Results, study: Study) -> Results:
    return dataclasses.replace(record, study=study)


def test_paragraph_of_a_whole_run_tells_every_step(evidence: Results) -> None:
    text = design.as_text(methods_paragraph(evidence))
    for part in (
        "40 synthetic patients, made by code, were used (",
        "28 patients (",
        "corticomedullary phase (cmp), nephrographic phase (np) and unenhanced phase (up).",
        "strong: the tumour delineated in 3D (level “mask”).",
        "Scans with a fatal finding, left out of the models it concerns: 1; patients with such a scan: 1.",
        "weak-3, 3 axial slices of 140 mm, 224×224 pixels; strong, a box of 140×140×160 mm, 128×128×32 voxels.",
        "−200 to 300 HU for ",
        "70% training and 30% test, stratified by the outcome, seed 20260415. The training patients were dealt to 3",
        "2D ResNet-18 on slices (weak-1 and weak-3); 3D ResNet-18 on image and mask (strong).",
        "Learning started from random weights for weak-1, weak-3 and strong.",
        "learning rate 0.001, warm-up (epochs) 5",
        "weak-3: Networks learnt the binary cross-entropy by AdamW: learning rate 0.001, warm-up (epochs) 5, then",
        "rotated by up to 15°",
        "each a logistic regression fitted in the same folds and read on the same test patients: tumour size",
        "the greatest Youden index on out-of-fold training predictions (weak-1-cmp 0.",
        "DeLong’s interval",
        "McNemar’s exact test; P values were adjusted after Holm",
        "TOST, each at 5%) were tested with a margin of 0.05.",
        "a smoothed calibration curve.",
        "threshold probabilities from 0.05 to 0.6",
        "in subgroups by size_cm.",
        "The test set was opened once",
        "torch 2.13.0",
        "0123456789abcdef0123456789abcdef01234567",
        "Seeds: 20260415 for the split",
        "All patients, images and grades are synthetic",
        "research use only",
    ):
        assert part in text, part


def test_chinese_paragraph_has_no_english_sentence(evidence: Results) -> None:
    with speaking("zh"):
        sentences = methods_paragraph(evidence)
        text = design.as_text(sentences)
    assert "仅供研究使用" in text
    assert "合成" in text
    assert "。 " not in text
    for sentence in sentences:
        assert re.search(r"[一-龥]", sentence), sentence
        assert not re.search(r"(?:[A-Za-z]{2,} ){3}", sentence.replace("nephrograde run", "")), sentence


def test_a_foreign_score_table_is_told_of_no_more_than_it_knows(foreign_run: Path) -> None:
    text = design.as_text(methods_paragraph(Results.read(foreign_run)))
    assert text.startswith("24 patients were used (12 low grade, 12 high grade). A patient was called high")
    assert "a constant, as there were no out-of-fold predictions" in text
    for word in ("ResNet", "split", "phase", "Baselines", "opened", "Seeds", "synthetic", "subgroup"):
        assert word not in text, word


@pytest.mark.parametrize(
    ("changes", "tell", "part"),
    [
        ({"synthetic": False}, design.patients, "40 patients were used ("),
        ({"cohort": {"table": "c.csv", "phases": ["pet"]}}, design.windowing, "−200 to 300 for pet."),
        (
            {
                "cohort": {"table": "c.csv", "phases": ["pet"]},
                "window": {"pet": {"low": 1, "high": 99, "percentiles": True}},
            },
            design.windowing,
            "1 to 99 percentile of the region for pet.",
        ),
        ({"image": {"antialias": False}}, design.resampling, "linearly, without blurring."),
        ({"split": {"column": "site"}}, design.split_method, "those that the column “site” of the cohort table names."),
        ({"fit": {"patience": 0}}, design.stopping, "All epochs were run"),
        ({"fit": {"balanced": False}}, design.class_balance, "without balancing"),
        ({"fit": {"pooling": "noisy-or"}}, design.ensemble, "pooled by the noisy-or rule."),
        (
            {"fit": {"weights_3d": {"path": "medical.pth", "sha256": "ab" * 32}}},
            design.initial_weights,
            "random weights for weak-1 and weak-3; medical.pth (SHA-256 abab",
        ),
        (
            {"augment": dict.fromkeys(("rotate_deg", "shift", "scale", "contrast", "brightness", "noise"), 0)},
            design.augmentation,
            "varied at random: mirrored.",
        ),
        (
            {
                "augment": {"flip": False}
                | dict.fromkeys(("rotate_deg", "shift", "scale", "contrast", "brightness", "noise"), 0)
            },
            design.augmentation,
            "not varied at random",
        ),
        ({"arm": [{"name": "box-3d", "supervision": "box"}]}, design.networks, "3D ResNet-18 on the image (box-3d)."),
    ],
)
def test_settings_change_the_words(
    record: Results,
    make_study: Callable[..., Study],
    changes: dict[str, Any],
    tell: Callable[[Results], str],
    part: str,
) -> None:
    assert part in tell(with_study(record, make_study(**changes)))


def test_pooling_is_told_only_where_there_are_slices_to_pool(record: Results, make_study: Callable[..., Study]) -> None:
    single = make_study(arm=[{"name": "weak-1", "supervision": "box", "slices": 1}])
    assert "pooled" in design.ensemble(record)
    assert "pooled" not in design.ensemble(with_study(record, single))


def test_another_outcome_is_named_by_its_column(record: Results, make_study: Callable[..., Study]) -> None:
    other = make_study(cohort={"table": "c.csv", "phases": ["cmp"], "outcome": "necrosis"})
    ungraded = tuple({**case, "grade": ""} for case in record.cases)
    changed = dataclasses.replace(record, study=other, cases=ungraded)
    assert design.outcome(changed) == "The outcome was column “necrosis” of the cohort table, 1 against 0."
    assert "necrosis" in design.patients(changed)


def test_missing_and_complete_scans(record: Results) -> None:
    assert "(unenhanced phase (up) 1) were left out" in design.missing_scans(record)
    complete = tuple({**case, "up_image": "x"} for case in record.cases)
    assert "no image was imputed" in design.missing_scans(dataclasses.replace(record, cases=complete))
    assert "Every patient had" in design.missing_scans(dataclasses.replace(record, cases=complete))


def test_no_fatal_finding_is_said_and_no_check_is_not(record: Results) -> None:
    assert design.exclusions(dataclasses.replace(record, findings=())).endswith("no scan was left out.")
    unknown = dataclasses.replace(record, absent=frozenset({RunPart.FINDINGS}))
    assert design.exclusions(unknown) == ""


def test_partition_needs_both_parts(record: Results) -> None:
    trained = {patient: place for patient, place in record.split.assignments.items() if place.split == "train"}
    assert design.partition(dataclasses.replace(record, split=Split(trained))) == ""


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("sensitivity", "a sensitivity of at least 0.8 on"),
        ("specificity", "a specificity of at least 0.8 on"),
        ("cost", "missed high to false alarm 3:1 (m "),
    ],
)
def test_threshold_rules_are_read_as_the_evaluation_writes_them(record: Results, rule: str, words: str) -> None:
    settings = EvaluateSettings.model_validate({"threshold": rule, "threshold_target": 0.8, "cost_ratio": 3.0})
    high = np.arange(12) % 2 == 0
    patients = ModelScores(tuple("abcdefghijkl"), high, np.where(high, 0.7, 0.3))
    frozen = choose_threshold(patients, settings)
    row = Estimate(
        "threshold", frozen.value, math.nan, math.nan, 12, 6, "", rule=frozen.rule, rule_value=frozen.rule_value
    )
    assert words in statistics.thresholds(dataclasses.replace(record, estimates=(("m", "test", row),)))


def test_every_measure_is_named(record: Results) -> None:
    names = ("auc_bootstrap", *statistics.PROPORTIONS, *statistics.CALIBRATION)
    rows = tuple(("m", "test", Estimate(name, 0.5, 0.4, 0.6, 12, 6, "method", replicates=1500)) for name in names)
    changed = dataclasses.replace(record, estimates=rows)
    assert "stratified by class, of 1500 replicates" in statistics.measures(changed)
    assert "positive predictive value and negative predictive value with Wilson’s" in statistics.measures(changed)
    assert "Brier score, calibration intercept, calibration slope" in statistics.calibration(changed)
    unsaid = tuple((model, split, dataclasses.replace(row, replicates=None)) for model, split, row in rows)
    assert "replicates" not in statistics.measures(dataclasses.replace(record, estimates=unsaid))


def test_what_was_not_computed_is_not_told(record: Results) -> None:
    empty = Estimate("auc", math.nan, math.nan, math.nan, 12, 12, "method", reason=Reason.ONE_GRADE)
    bare = dataclasses.replace(
        record,
        estimates=(("m", "test", empty),),
        absent=frozenset({RunPart.CALIBRATION}),
        comparisons=(),
        equivalences=(),
        net_benefit=(),
        subgroups=(),
        openings=(),
    )
    for tell in (
        *(statistics.measures, statistics.thresholds, statistics.calibration, statistics.net_benefit),
        *(statistics.comparisons, statistics.equivalence, statistics.detectable_differences),
        *(statistics.subgroups, statistics.openings),
    ):
        assert tell(bare) == "", tell
    assert software(dataclasses.replace(record, lock={})) == ""


def test_baselines_are_told_only_where_they_have_scores(record: Results) -> None:
    networks = tuple(row for row in record.scores.rows if row.model not in {"size", "volume"})
    changed = dataclasses.replace(record, scores=dataclasses.replace(record.scores, rows=networks))
    assert statistics.baselines(changed) == ""


def test_comparisons_without_auc(record: Results) -> None:
    calls = tuple(pair for pair in record.comparisons if pair.measure == "sensitivity" and pair.p_value >= 0)
    told = statistics.comparisons(dataclasses.replace(record, comparisons=calls))
    assert "sensitivity by McNemar’s exact test" in told
    assert "DeLong" not in told


def test_comparisons_of_auc_only(record: Results) -> None:
    ranked = tuple(pair for pair in record.comparisons if pair.measure == "auc")
    assert "McNemar" not in statistics.comparisons(dataclasses.replace(record, comparisons=ranked))


def test_tested_subgroups_and_many_openings(evidence: Results) -> None:
    part = SubgroupEstimate("a", "test", "sex", "male", 6, 3, 0.8, 0.6, 1.0, 0.3, "DeLong")
    evidence = dataclasses.replace(evidence, subgroups=(part,), openings=(OPENING, OPENING))
    assert statistics.subgroups(evidence).endswith("Whether it differs between them was tested.")
    assert "opened 2 times" in statistics.openings(evidence)


def test_real_patients_are_not_called_synthetic(record: Results, make_study: Callable[..., Study]) -> None:
    assert "synthetic" not in caution(with_study(record, make_study(synthetic=False)))
