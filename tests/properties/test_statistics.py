"""Laws that hold for every set of scores, checked on drawn ones."""

from __future__ import annotations

import gc
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nephrograde.errors import ScoresError
from nephrograde.evaluate.compare import compare_models, holm
from nephrograde.evaluate.delong import place
from nephrograde.evaluate.evaluation import Evaluation, evaluate_scores
from nephrograde.evaluate.metrics import Confusion, accuracy, auc, confusion, sensitivity, youden_threshold
from nephrograde.evaluate.scores import ModelScores, Score, Scores, SplitName, paired_vectors, read_scores, write_scores
from nephrograde.study import EvaluateSettings

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

drawn = settings(deadline=None, max_examples=60)
probabilities = st.floats(0, 1, allow_subnormal=False) | st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
Samples: TypeAlias = tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]


@pytest.fixture(scope="module", autouse=True)
def small_heap() -> Iterator[None]:
    """Keep the garbage collection of every Holm adjustment in statsmodels from walking through the whole session."""
    gc.freeze()
    yield
    gc.unfreeze()


@st.composite
def samples(draw: st.DrawFn, models: int = 1) -> Samples:
    """Scores (model × patient, many of them tied) of 2 to 25 patients of both grades."""
    truths = draw(st.lists(st.booleans(), min_size=2, max_size=25))
    assume(any(truths) and not all(truths))
    rows = st.lists(probabilities, min_size=len(truths), max_size=len(truths))
    return np.array([draw(rows) for _ in range(models)]), np.array(truths)


def rank_by_counting(p_high: npt.NDArray[np.float64], truths: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """The kernel of every (high, low) pair: 1 in order, 1/2 tied, 0 in disorder."""
    high, low = p_high[truths][:, np.newaxis], p_high[~truths][np.newaxis, :]
    return np.asarray((high > low) + 0.5 * (high == low), dtype=np.float64)


@given(samples())
@drawn
def test_auc_is_the_share_of_ordered_pairs(sample: Samples) -> None:
    (p_high,), truths = sample
    assert auc(p_high, truths).value == pytest.approx(rank_by_counting(p_high, truths).mean(), abs=1e-12)


@given(samples())
@drawn
def test_auc_agrees_with_scikit_learn(sample: Samples) -> None:
    from sklearn.metrics import roc_auc_score

    (p_high,), truths = sample
    assert auc(p_high, truths).value == pytest.approx(roc_auc_score(truths, p_high), abs=1e-12)


@given(samples(models=3))
@drawn
def test_covariance_agrees_with_the_definition_that_counts_every_pair(sample: Samples) -> None:
    p_high, truths = sample
    assume(2 <= truths.sum() <= truths.size - 2)
    kernels = np.stack([rank_by_counting(row, truths) for row in p_high])
    expected = np.cov(kernels.mean(axis=2)) / truths.sum() + np.cov(kernels.mean(axis=1)) / (~truths).sum()
    np.testing.assert_allclose(place(p_high, truths).covariance(), expected, rtol=0, atol=1e-12)


@given(samples(models=2))
@drawn
def test_variance_of_a_difference_follows_from_the_covariance(sample: Samples) -> None:
    p_high, truths = sample
    assume(2 <= truths.sum() <= truths.size - 2)
    placements = place(p_high, truths)
    covariance = placements.covariance()
    difference, variance = placements.difference(0, 1)
    assert difference == pytest.approx(placements.aucs()[0] - placements.aucs()[1], abs=1e-12)
    assert variance == pytest.approx(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1], abs=1e-12)


@given(samples())
@drawn
def test_auc_keeps_its_interval_in_bounds_and_turns_with_the_scores(sample: Samples) -> None:
    (p_high,), truths = sample
    made, turned = auc(p_high, truths), auc(-p_high, truths)
    assert turned.value == pytest.approx(1 - made.value, abs=1e-12)
    assert np.isnan(made.low) == np.isnan(made.high)
    assert np.isnan(made.low) or 0 <= made.low <= made.value <= made.high <= 1
    assert turned.low == pytest.approx(1 - made.high, abs=1e-9, nan_ok=True)


@given(samples())
@drawn
def test_auc_depends_on_the_order_of_scores_only(sample: Samples) -> None:
    (p_high,), truths = sample
    ranks = np.unique(p_high, return_inverse=True)[1].astype(float)
    assert str(auc(ranks**3, truths)) == str(auc(p_high, truths))


@given(samples())
@drawn
def test_no_other_threshold_has_a_larger_youden_index(sample: Samples) -> None:
    (p_high,), truths = sample

    def index(threshold: float) -> int:
        counts = confusion(p_high, truths, threshold=threshold)
        return counts.tp * counts.n_low + counts.tn * counts.n_high

    chosen = youden_threshold(p_high, truths)
    others = [*p_high.tolist(), *np.nextafter(p_high, 2).tolist()]
    assert index(chosen) == max(index(other) for other in others)
    lower = [other for other in others if other < chosen]
    calls = (p_high >= chosen).tolist()
    assert all(index(other) < index(chosen) for other in lower if (p_high >= other).tolist() != calls)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(1, 40))
@drawn
def test_wilson_holds_the_share_and_stays_in_bounds(tp: int, fp: int, tn: int, fn: int) -> None:
    for made in (accuracy(Confusion(tp, fp, tn, fn)), sensitivity(Confusion(tp, fp, tn, fn))):
        assert 0 <= made.low <= made.value + 1e-12
        assert made.value - 1e-12 <= made.high <= 1


@given(st.lists(st.floats(0, 1) | st.just(float("nan")), max_size=12))
@drawn
def test_holm_never_lowers_a_p_value_and_keeps_their_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert [np.isnan(p) for p in adjusted] == [np.isnan(p) for p in p_values]
    both = sorted((p, q) for p, q in zip(p_values, adjusted, strict=True) if not np.isnan(p))
    assert all(p <= q + 1e-15 and q <= 1 for p, q in both)
    assert [q for _, q in both] == sorted(q for _, q in both)


@given(samples(models=2))
@drawn
def test_a_comparison_turned_round_changes_its_sign_only(sample: Samples) -> None:
    p_high, truths = sample
    patient_ids = tuple(f"P{k:02}" for k in range(truths.size))
    a, b = (ModelScores(patient_ids, truths, row) for row in p_high)
    thresholds = {"a": 0.5, "b": 0.5}
    there = compare_models({"a": a, "b": b}, thresholds)
    back = compare_models({"b": b, "a": a}, thresholds)
    for one, other in zip(there, back, strict=True):
        assert one.difference == pytest.approx(-other.difference, abs=1e-12, nan_ok=True)
        assert one.low == pytest.approx(-other.high, abs=1e-12, nan_ok=True)
        assert one.p_value == pytest.approx(other.p_value, abs=1e-12, nan_ok=True)


@st.composite
def tables(draw: st.DrawFn) -> tuple[Score, ...]:
    """A score table of two models in both splits, some scores missing."""
    rows: list[Score] = []
    for k in range(draw(st.integers(4, 16))):
        split: SplitName = "oof" if k % 2 else "test"
        for model in ("weak-1-cmp", "最大径"):
            if draw(st.integers(0, 5)):
                fold = k % 3 if split == "oof" else None
                rows.append(Score(f"患者 {k}", model, split, fold, k % 4 < 2, draw(probabilities)))
    assume(len({row.is_high for row in rows}) == 2 and len({row.model for row in rows}) == 2)
    return tuple(rows)


def as_text(evaluation: Evaluation) -> set[str]:
    estimates = {f"{model} {split} {estimate!r}" for model, split, estimate in evaluation.estimates}
    return estimates | {
        f"{c.measure} {c.p_value!r} {c.p_adjusted!r} {abs(c.difference)!r}" for c in evaluation.comparisons
    }


@given(tables(), st.randoms(use_true_random=False))
@drawn
def test_the_order_of_rows_changes_no_number(rows: tuple[Score, ...], chance: random.Random) -> None:
    shuffled = list(rows)
    chance.shuffle(shuffled)
    settings_ = EvaluateSettings()
    assert as_text(evaluate_scores(Scores(rows), settings_)) == as_text(
        evaluate_scores(Scores(tuple(shuffled)), settings_)
    )


@given(tables())
@drawn
def test_a_score_table_comes_back_digit_for_digit(rows: tuple[Score, ...]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        scores_path = Path(folder, "scores.csv")
        write_scores(Scores(rows), scores_path)
        assert read_scores(scores_path) == Scores(rows)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=5))
@drawn
def test_only_finite_predictions_pass(values: list[float]) -> None:
    if np.isfinite(values).all():
        assert paired_vectors(values, [0] * len(values))[0].tolist() == values
    else:
        with pytest.raises(ScoresError, match="Prediction"):
            paired_vectors(values, [0] * len(values))
