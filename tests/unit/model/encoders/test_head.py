"""The penalised regression on features: its optimum, and the choice of its penalty."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from nephrograde.model.encoders.head import PENALTIES, Head, fit_head


def drawn(n: int, *, features: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    is_high = np.arange(n) % 3 == 0
    values = rng.normal(5.0, 2.0, size=(n, features)).astype(np.float32)
    values[is_high, :2] += shift
    values[:, -1] = 1.0  # a feature that tells nothing
    return values, is_high


def test_equals_the_regression_on_all_features() -> None:
    features, is_high = drawn(45, features=60, shift=2.0)
    head, c = fit_head(features, is_high, seed=1)
    standard = StandardScaler().fit_transform(features.astype(np.float64))
    reference = LogisticRegression(C=c, tol=1e-10, max_iter=10_000).fit(standard, is_high)
    assert head.p_high(features) == pytest.approx(reference.predict_proba(standard)[:, 1], abs=1e-5)


def test_the_penalty_is_strong_where_nothing_can_be_learnt() -> None:
    _, lost = fit_head(*drawn(40, features=80, shift=0.0), seed=1)
    _, found = fit_head(*drawn(40, features=80, shift=8.0), seed=1)
    assert lost < found
    assert {lost, found} <= set(PENALTIES)


def test_the_same_patients_give_the_same_digits_in_any_company() -> None:
    features, is_high = drawn(30, features=50, shift=1.0)
    head, _ = fit_head(features, is_high, seed=1)
    again, _ = fit_head(features, is_high, seed=1)
    assert head.p_high(features).tolist() == again.p_high(features).tolist()
    assert head.p_high(features)[7] == head.p_high(features[7:8])[0]


def test_is_read_back_from_its_numbers() -> None:
    features, is_high = drawn(30, features=50, shift=1.0)
    head, _ = fit_head(features, is_high, seed=1)
    again = Head.of_arrays(head.arrays(), 50)
    assert again.p_high(features).tolist() == head.p_high(features).tolist()
    with pytest.raises(ValueError, match="51 features"):
        Head.of_arrays(head.arrays(), 51)


def test_two_patients_of_a_grade_are_enough_to_choose() -> None:
    features, _ = drawn(12, features=10, shift=0.0)
    is_high = np.arange(12) < 2
    head, _ = fit_head(features, is_high, seed=1)
    assert np.isfinite(head.p_high(features)).all()
