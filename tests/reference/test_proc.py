"""Agreement with R 4.2.2 and pROC 1.18.0, to 1e-9, on six data sets that were computed there."""

from __future__ import annotations

import json
import math
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.special import logit

from nephrograde.evaluation.comparison.compare import compare_models
from nephrograde.evaluation.performance.delong import normal_quantile, place
from nephrograde.evaluation.performance.metrics import auc, auc_delong, confusion
from nephrograde.evaluation.performance.threshold import youden_threshold
from nephrograde.evaluation.sample_size.power import binormal_variance
from nephrograde.evaluation.scores.scores import ModelScores

if TYPE_CHECKING:
    from pathlib import Path

TOLERANCE = 1e-9
NAMES = ("six_models_n90", "ties_n92", "small_n12", "inverted_n60", "perfect_n30", "large_n2000")


@pytest.fixture(scope="module")
def reference(shared_reference: Path) -> dict[str, dict[str, Any]]:
    entries = json.loads((shared_reference / "proc_delong.json").read_text(encoding="utf-8"))
    return {entry["name"]: entry for entry in entries}


@pytest.fixture(params=NAMES)
def data(request: pytest.FixtureRequest, reference: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return reference[request.param]


def test_no_data_set_is_left_out(reference: dict[str, dict[str, Any]]) -> None:
    assert set(reference) == set(NAMES)


def test_auc_and_its_interval(data: dict[str, Any]) -> None:
    made = [auc_delong(p_high, data["y"]) for p_high in data["p"]]
    assert [e.value for e in made] == pytest.approx(data["auc"], rel=0, abs=TOLERANCE)
    for estimate, theirs in zip(made, data["ci95"], strict=True):
        # pROC gives an AUC of exactly 1 an interval without a width; here it has none.
        bounds = [math.nan, math.nan] if estimate.value == 1.0 else [theirs[0], theirs[2]]
        assert [estimate.low, estimate.high] == pytest.approx(bounds, rel=0, abs=TOLERANCE, nan_ok=True)


def test_the_interval_shown_is_theirs_on_the_logit_scale(data: dict[str, Any]) -> None:
    for p_high, value, variance in zip(data["p"], data["auc"], data["var_delong"], strict=True):
        made = auc(p_high, data["y"])
        assert 0.0 < made.high - made.low < 1.0
        if variance > 0:
            error = math.sqrt(variance) / (value * (1 - value))
            reach = [(logit(bound) - logit(value)) / error for bound in (made.low, made.high)]
            assert reach == pytest.approx([-normal_quantile(0.95), normal_quantile(0.95)], rel=1e-6)


def test_variances_and_covariances(data: dict[str, Any]) -> None:
    covariance = place(np.array(data["p"]), np.array(data["y"], dtype=bool)).covariance()
    np.testing.assert_allclose(np.diag(covariance), data["var_delong"], rtol=0, atol=TOLERANCE)
    theirs = [pair["cov"] for pair in data["pairs"]]
    ours = [covariance[pair["i"], pair["j"]] for pair in data["pairs"]]
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE)


def models_of(data: dict[str, Any]) -> dict[str, ModelScores]:
    truths = np.array(data["y"], dtype=bool)
    patient_ids = tuple(f"P{k:04}" for k in range(truths.size))
    return {str(k): ModelScores(patient_ids, truths, np.array(p_high)) for k, p_high in enumerate(data["p"])}


def test_obuchowski_variances(data: dict[str, Any]) -> None:
    # pROC has no value where the curve is a corner: no point lies off its edges.
    theirs = [math.nan if variance == "NA" else variance for variance in data["var_obuchowski"]]
    ours = [binormal_variance(p_high, data["y"]) for p_high in data["p"]]
    assert ours == pytest.approx(theirs, rel=0, abs=TOLERANCE, nan_ok=True)


def test_paired_comparisons(data: dict[str, Any]) -> None:
    models = models_of(data)
    compared = compare_models(models, dict.fromkeys(models, 0.5))
    rows = {(int(c.model_a), int(c.model_b)): c for c in compared if c.measure == "auc"}
    assert set(rows) == {(pair["i"], pair["j"]) for pair in data["pairs"]} == set(combinations(range(len(models)), 2))
    for pair in data["pairs"]:
        row = rows[pair["i"], pair["j"]]
        ours = [row.statistic, row.p_value, row.low, row.high]
        assert ours == pytest.approx([pair["z"], pair["p"], *pair["ci_diff"]], rel=0, abs=TOLERANCE)


def test_youden_threshold(data: dict[str, Any]) -> None:
    for p_high, theirs in zip(data["p"], data["youden"], strict=True):
        threshold = youden_threshold(p_high, data["y"])
        counts = confusion(p_high, data["y"], threshold=threshold)
        assert threshold == pytest.approx(theirs["threshold"], rel=0, abs=TOLERANCE)
        assert counts.tp / counts.n_high == pytest.approx(theirs["sens"], rel=0, abs=TOLERANCE)
        assert counts.tn / counts.n_low == pytest.approx(theirs["spec"], rel=0, abs=TOLERANCE)


def test_of_tied_thresholds_the_first_of_proc_is_the_lowest(reference: dict[str, dict[str, Any]]) -> None:
    data = reference["large_n2000"]
    assert [entry["ties"] for entry in data["youden"]] == [1, 2]
    p_high, truths = np.array(data["p"][1]), np.array(data["y"], dtype=bool)
    scores = np.unique(p_high)
    cuts = (scores[1:] + scores[:-1]) / 2
    index = [
        (p_high[truths] >= cut).sum() * (~truths).sum() + (p_high[~truths] < cut).sum() * truths.sum() for cut in cuts
    ]
    best = cuts[np.flatnonzero(np.array(index) == max(index))]
    assert best.size == 2
    assert youden_threshold(p_high, truths) == pytest.approx(best.min(), rel=0, abs=TOLERANCE)
    assert best.min() == pytest.approx(data["youden"][1]["threshold"], rel=0, abs=TOLERANCE)
