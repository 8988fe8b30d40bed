"""The ladder of supervision: references, tests against the margin, and learning curves by hours of annotation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nephrograde.cohort.repeat import Repeat
from nephrograde.evaluation.comparison.family import holm
from nephrograde.evaluation.comparison.repeats import RepeatedAuc
from nephrograde.evaluation.evaluation import evaluate_scores
from nephrograde.evaluation.ladder.curve import LadderPoint, ladder_points
from nephrograde.evaluation.ladder.ladder import LadderRow, climb, rungs_of
from nephrograde.evaluation.ladder.minutes import DEFAULT_MINUTES, Minutes, MinutesSource, choose_minutes
from nephrograde.evaluation.performance.stratified import fold_areas
from nephrograde.evaluation.remarks import Caution, Reason, Verdict
from nephrograde.evaluation.scores.scores import Score, Scores, SplitName
from nephrograde.evaluation.tables import read_table, write_table
from nephrograde.study import Arm, EvaluateSettings, StudyModel
from nephrograde.vocabulary import Supervision

ARMS = (
    Arm(name="click", supervision=Supervision.POINT, slices=1),
    Arm(name="click-3", supervision=Supervision.POINT, slices=3),
    Arm(name="boxed", supervision=Supervision.BOX),
    Arm(name="drawn", supervision=Supervision.MASK),
    Arm(name="drawn-2d", supervision=Supervision.MASK, slices=3),
)
MODELS = [StudyModel(f"{arm.name}-cmp", arm, "cmp", ("cmp",)) for arm in ARMS]
SETTINGS = EvaluateSettings(bootstraps=100)
FOLDS = 5


def make_scores(
    shifts: dict[str, float], *, patients: int = 200, noise: float = 0.35, seed: int = 3, test: int = 0
) -> Scores:
    """Correlated scores, whose AUC grows with the shift of a model."""
    stream = np.random.default_rng(seed)
    total = patients + test
    is_high = np.arange(total) % 2 == 0
    shared = stream.standard_normal(total)
    rows = []
    for model, shift in shifts.items():
        values = shift * is_high + shared + noise * stream.standard_normal(total)
        p_high = 1.0 / (1.0 + np.exp(-values))
        for k in range(total):
            split: SplitName = "oof" if k < patients else "test"
            fold = k // 2 % FOLDS if split == "oof" else None
            rows.append(Score(f"P{k:03}", model, split, fold, bool(is_high[k]), float(p_high[k])))
    return Scores(tuple(rows))


def make_ladder(scores: Scores, **given: float) -> dict[tuple[str, str], LadderRow]:
    minutes = choose_minutes({}, {})
    estimates = evaluate_scores(scores, SETTINGS).estimates
    rows = climb(scores, estimates, MODELS, minutes=minutes, margin=given.get("margin", 0.05))
    return {(row.model, row.split): row for row in rows}


@pytest.fixture(scope="module")
def even() -> tuple[Scores, dict[tuple[str, str], LadderRow]]:
    scores = make_scores(dict.fromkeys([model.id for model in MODELS], 1.2) | {"click-cmp": 0.3}, test=80)
    return scores, make_ladder(scores)


class TestRungs:
    def test_one_level_is_not_a_ladder(self) -> None:
        assert rungs_of(MODELS[:2], ["click-cmp", "click-3-cmp"]) == []

    def test_only_scored_models_count(self) -> None:
        assert rungs_of(MODELS, ["boxed-cmp", "size"]) == []
        assert [model.id for model in rungs_of(MODELS, ["boxed-cmp", "drawn-cmp", "size"])] == [
            "boxed-cmp",
            "drawn-cmp",
        ]

    def test_without_a_mask_the_most_expensive_level_is_the_reference(self) -> None:
        scores = make_scores({"click-cmp": 1.0, "boxed-cmp": 1.0})
        assert {row.reference for row in make_ladder(scores).values()} == {"boxed-cmp"}


class TestRows:
    def test_every_model_of_both_splits_has_a_row(self, even: tuple[Scores, dict[tuple[str, str], LadderRow]]) -> None:
        _, rows = even
        assert len(rows) == 2 * len(MODELS)
        assert {row.reference for row in rows.values()} == {"drawn-cmp"}
        assert [row.model for row in rows.values() if row.is_reference] == ["drawn-cmp", "drawn-cmp"]

    def test_aucs_are_those_of_the_estimates(self, even: tuple[Scores, dict[tuple[str, str], LadderRow]]) -> None:
        scores, rows = even
        for model, split, made in evaluate_scores(scores, SETTINGS).estimates:
            if made.measure == "auc":
                row = rows[model, split]
                assert (row.auc, row.low, row.high, row.n, row.n_high) == (
                    made.value,
                    made.low,
                    made.high,
                    made.n,
                    made.n_high,
                )

    def test_networks_of_a_level_cost_the_same(self, even: tuple[Scores, dict[tuple[str, str], LadderRow]]) -> None:
        _, rows = even
        assert rows["click-cmp", "oof"].minutes == rows["click-3-cmp", "oof"].minutes
        assert rows["click-cmp", "oof"].slices == 1
        assert rows["boxed-cmp", "oof"].slices is None
        assert rows["boxed-cmp", "oof"].dimensions == 3

    def test_tests_of_a_split_are_one_family(self, even: tuple[Scores, dict[tuple[str, str], LadderRow]]) -> None:
        _, rows = even
        for split in ("oof", "test"):
            own = [row for row in rows.values() if row.split == split and not row.is_reference]
            assert {row.family_size for row in own} == {len(MODELS) - 1}
            assert [row.p_adjusted for row in own] == holm([row.p_not_worse for row in own])

    def test_the_difference_is_that_within_folds(self, even: tuple[Scores, dict[tuple[str, str], LadderRow]]) -> None:
        scores, rows = even
        a, b = scores.of("boxed-cmp", "oof"), scores.of("drawn-cmp", "oof")
        areas = fold_areas(np.stack([a.p_high, b.p_high]), a.is_high, a.known_folds or ())
        row = rows["boxed-cmp", "oof"]
        assert row.difference == areas.difference(0, 1)[0]
        assert row.difference_low < row.difference < row.difference_high
        assert row.n_compared == 200
        assert row.caution is Caution.FITTED_FOLDS
        assert rows["boxed-cmp", "test"].caution is None

    def test_verdicts(self, even: tuple[Scores, dict[tuple[str, str], LadderRow]]) -> None:
        _, rows = even
        assert rows["click-cmp", "oof"].verdict is Verdict.WORSE
        assert rows["drawn-cmp", "oof"].verdict is None
        assert math.isnan(rows["drawn-cmp", "oof"].p_not_worse)
        assert rows["boxed-cmp", "oof"].verdict is Verdict.NOT_WORSE

    def test_an_adjusted_p_above_the_level_is_undecided(self) -> None:
        scores = make_scores(dict.fromkeys([model.id for model in MODELS], 1.2), patients=100, noise=0.3, seed=5)
        rows = make_ladder(scores)
        torn = [row for row in rows.values() if row.p_not_worse < 0.025 <= row.p_adjusted]
        assert torn
        assert {row.verdict for row in torn} == {Verdict.UNDECIDED}

    def test_few_patients_have_no_verdict_and_no_p(self) -> None:
        rows = make_ladder(make_scores({"boxed-cmp": 1.2, "drawn-cmp": 1.2}, patients=40))
        row = rows["boxed-cmp", "oof"]
        assert row.verdict is Verdict.TOO_FEW
        assert math.isnan(row.p_adjusted)
        assert row.family_size is None
        assert not math.isnan(row.difference_low)

    def test_models_that_rank_alike_cannot_be_tested(self) -> None:
        scores = make_scores({"drawn-cmp": 1.2})
        copies = tuple(Score(r.patient_id, "boxed-cmp", r.split, r.fold, r.is_high, r.p_high) for r in scores.rows)
        row = make_ladder(Scores((*copies, *scores.rows)))["boxed-cmp", "oof"]
        assert row.reason is Reason.RANKED_ALIKE
        assert row.verdict is None

    def test_patients_of_one_model_only_are_left_out_of_the_difference(self) -> None:
        scores = make_scores({"boxed-cmp": 1.2, "drawn-cmp": 1.2})
        rows = tuple(row for row in scores.rows if row.model == "drawn-cmp" or row.patient_id > "P020")
        row = make_ladder(Scores(rows))["boxed-cmp", "oof"]
        assert row.n == row.n_compared == 179

    def test_the_table_keeps_everything(self, even: tuple[Scores, dict[tuple[str, str], LadderRow]], tmp_path) -> None:
        rows = tuple(even[1].values())
        write_table(rows, LadderRow, tmp_path / "ladder.csv")
        read = read_table(LadderRow, tmp_path / "ladder.csv")
        assert [str(row) for row in read] == [str(row) for row in rows]


class TestMinutes:
    def test_levels_rise(self) -> None:
        values = [DEFAULT_MINUTES[level].value for level in Supervision]
        assert values == sorted(values)
        assert values[0] == 0.0

    def test_given_before_measured_before_default(self) -> None:
        measured = {level: Minutes(1.0, MinutesSource.MEASURED, 9) for level in (Supervision.BOX, Supervision.MASK)}
        found = choose_minutes({Supervision.MASK: 0.0}, measured)
        assert found[Supervision.MASK] == Minutes(0.0, MinutesSource.STUDY)
        assert found[Supervision.BOX].n == 9
        assert found[Supervision.POINT] == DEFAULT_MINUTES[Supervision.POINT]


class TestCurves:
    @staticmethod
    def make(scores: dict[Repeat, Scores]) -> dict[tuple[str, float], LadderPoint]:
        repeats = [
            RepeatedAuc(model.id, one.drawing, one.seed, one.share, "oof", 0, 0.8, 40, 20, round(160 * one.share))
            for one in scores
            for model in MODELS
        ]
        points = ladder_points(
            scores, repeats, MODELS, minutes=choose_minutes({Supervision.MASK: 6.0}, {}), confidence=0.95
        )
        return {(point.model, point.share): point for point in points}

    def test_one_fit_has_no_curve(self) -> None:
        assert self.make({Repeat(): make_scores({"boxed-cmp": 1.2})}) == {}

    def test_seeds_are_not_drawings(self) -> None:
        scores = make_scores({"boxed-cmp": 1.2})
        assert self.make({Repeat(): scores, Repeat(seed=1): scores}) == {}

    def test_points_are_means_over_drawings_with_the_hours_of_their_patients(self) -> None:
        scores = {
            Repeat(drawing=drawing, share=share): make_scores({"boxed-cmp": share, "drawn-cmp": share}, seed=drawing)
            for share in (0.5, 1.0)
            for drawing in (0, 1)
        }
        points = self.make(scores)
        assert len(points) == 4
        point = points["drawn-cmp", 0.5]
        assert (point.drawings, point.n_learn, point.n, point.n_high) == (2, 80, 200, 100)
        assert point.hours == 80 * 6.0 / 60.0
        single = [self.area(scores[Repeat(drawing=drawing, share=0.5)]) for drawing in (0, 1)]
        assert point.auc == pytest.approx(np.mean(single), abs=1e-12)
        assert point.low < point.auc < point.high

    @staticmethod
    def area(scores: Scores) -> float:
        patients = scores.of("drawn-cmp", "oof")
        return float(fold_areas(patients.p_high[np.newaxis], patients.is_high, patients.known_folds or ()).aucs()[0])

    def test_the_last_point_of_one_drawing_is_the_estimate(self) -> None:
        scores = make_scores({"drawn-cmp": 1.0})
        points = self.make({Repeat(): scores, Repeat(share=0.5): make_scores({"drawn-cmp": 0.5}, seed=9)})
        (made,) = [e for _, _, e in evaluate_scores(scores, SETTINGS).estimates if e.measure == "auc"]
        point = points["drawn-cmp", 1.0]
        assert (point.auc, point.low, point.high) == pytest.approx((made.value, made.low, made.high), abs=1e-12)
