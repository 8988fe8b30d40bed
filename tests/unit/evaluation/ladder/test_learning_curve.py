"""Learning curves: an inverse power law, and what it says about more patients."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from nephrograde.evaluation.comparison.repeats import RepeatedAuc
from nephrograde.evaluation.ladder.learning_curve import PowerLaw, fit_power_law, learning_curves

SIZES = {0.25: 40, 0.5: 80, 0.75: 120, 1.0: 160}


def rows_of(law, *, model="weak", noise=0.0, drawings=4, seed=3):
    rng = np.random.default_rng(seed)
    return [
        RepeatedAuc(model, drawing, 0, share, "oof", fold, law.at(n) + noise * rng.normal(), 40, 18, n)
        for share, n in SIZES.items()
        for drawing in range(drawings)
        for fold in range(5)
    ]


@given(limit=st.floats(0.7, 0.98), drop=st.floats(0.05, 0.2), step=st.integers(4, 30))
def test_a_law_without_noise_is_found(limit, drop, step):
    exponent = 0.05 * step  # on the grid
    law = PowerLaw(limit, drop * 40**exponent, exponent)
    found = fit_power_law(list(SIZES.values()), [law.at(n) for n in SIZES.values()])
    assert [found.at(n) for n in (40, 160, 320)] == pytest.approx([law.at(n) for n in (40, 160, 320)], abs=1e-4)


def test_it_is_the_least_squares_fit():
    sizes, aucs = [30, 60, 90, 120, 150], [0.68, 0.75, 0.755, 0.79, 0.795]
    found = fit_power_law(sizes, aucs)
    by_scipy, _ = curve_fit(lambda n, a, b, c: a - b * n**-c, sizes, aucs, p0=(0.85, 1.0, 0.5), bounds=(0, [1, 50, 2]))
    error = [((np.array([law(n) for n in sizes]) - aucs) ** 2).sum() for law in (found.at, PowerLaw(*by_scipy).at)]
    assert error[0] == pytest.approx(error[1], rel=0.02)


@given(aucs=st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4))
def test_a_law_never_falls_and_never_exceeds_one(aucs):
    law = fit_power_law(list(SIZES.values()), aucs)
    values = [law.at(n) for n in (40, 80, 160, 320, 10_000)]
    assert values == sorted(values)
    assert values[-1] <= 1.0


def test_aucs_that_fall_with_more_patients_give_a_flat_law():
    law = fit_power_law([40, 80, 160], [0.8, 0.75, 0.7])
    assert law.gain == 0.0
    assert law.at(320) == pytest.approx(0.75)


def test_a_curve_with_its_extrapolation():
    law = PowerLaw(0.9, 2.0, 0.75)
    (curve,) = learning_curves(rows_of(law, noise=0.02))
    assert [(point.share, point.n_learn, point.folds) for point in curve.points] == [
        (share, n, 20) for share, n in SIZES.items()
    ]
    assert curve.farther_n == 320
    assert curve.farther_low < curve.farther < curve.farther_high
    assert curve.farther == pytest.approx(law.at(320), abs=0.03)


def test_the_interval_is_wider_than_that_of_independent_folds():
    law = PowerLaw(0.88, 1.5, 0.7)
    held = 0
    for seed in range(100):
        (curve,) = learning_curves(rows_of(law, noise=0.03, seed=seed))
        held += curve.farther_low <= law.at(320) <= curve.farther_high
    assert held >= 95  # these folds are independent, which those of one cohort are not


def test_two_sizes_are_shown_without_a_law():
    rows = [row for row in rows_of(PowerLaw(0.9, 1.0, 0.5)) if row.share in {0.5, 1.0}]
    (curve,) = learning_curves(rows)
    assert curve.law is None
    assert math.isnan(curve.farther)


def test_models_of_one_size_and_other_seeds_have_no_curve():
    rows = rows_of(PowerLaw(0.9, 1.0, 0.5))
    assert learning_curves(row for row in rows if row.share == 1.0) == []
    seeds = [RepeatedAuc("weak", 0, 1, 0.5, "oof", 0, 0.1, 40, 18, 80)]
    assert learning_curves([*rows, *seeds]) == learning_curves(rows)
