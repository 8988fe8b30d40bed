from __future__ import annotations

import numpy as np
import pytest

from nephrograde.evaluation.calibration import logistic
from nephrograde.evaluation.calibration.logistic import fit_logistic


@pytest.mark.parametrize("terms", [1, 2, 3])
def test_a_large_table_gives_what_statsmodels_gives(terms: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = np.random.default_rng(terms)
    x = 2.0 * stream.normal(size=6000)
    is_high = stream.random(6000) < 1.0 / (1.0 + np.exp(1.0 - 0.8 * x))
    columns = np.column_stack([np.ones(6000), x, np.maximum(x, 0.0) ** 3])[:, :terms]
    offset, start = (x, -1.0) if terms == 1 else (None, None)
    with monkeypatch.context() as without:
        without.delattr(logistic, "_fit_with_statsmodels")
        found = fit_logistic(columns, is_high, offset=offset, start=start)
    monkeypatch.setattr(logistic, "_MANY", 10**9)
    known = fit_logistic(columns, is_high, offset=offset, start=start)
    assert found is not None
    assert known is not None
    errors = np.sqrt(np.diag(known.covariance))
    assert found.coefficients / errors == pytest.approx(known.coefficients / errors, abs=1e-9)
    assert found.covariance == pytest.approx(known.covariance, rel=1e-8)


def test_a_large_table_that_is_separated_is_left_to_statsmodels() -> None:
    x = np.linspace(-1.0, 1.0, 6000)
    columns = np.column_stack([np.ones(6000), x])
    assert logistic._newton(columns, x > 0.0, 0.0, None) is None
