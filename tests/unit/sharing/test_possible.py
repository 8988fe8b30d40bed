"""Statistics that somebody else wrote: those of patients are taken, and those that contradict themselves refused."""

import copy
import json
import zipfile

import numpy as np
import pytest
from scipy.special import expit

import nephrograde as ng
from nephrograde.errors import ShareError
from nephrograde.sharing.possible import is_possible
from nephrograde.sharing.share_file import MANIFEST, read_share, write_share
from nephrograde.sharing.site import measure_site


def drawn_site(stream):
    """Statistics of some patients, among them single ones of a grade, ties, and certain or useless models."""
    n, n_models = int(stream.choice([2, 3, 5, 8, 20, 60, 300])), int(stream.integers(1, 4))
    is_high = stream.permutation(n) < stream.integers(1, n)
    log_odds = stream.normal(stream.choice([0, 0.5, 2, 20, -2]) * is_high - stream.normal(), 1.0, (n_models, n))
    p_high = expit(stream.choice([0.01, 1, 5, 30]) * log_odds)
    ways = [
        lambda p: p,
        lambda p: np.round(p, 1),
        lambda p: np.round(20 * p) / 20,
        lambda p: (p > 0.5).astype(float),
        lambda p: np.full_like(p, stream.choice([0, 1, 0.25, 0.05, 1e-9])),
        lambda p: np.repeat(p[:1], n_models, axis=0),
        lambda p: p.astype(np.float32).astype(float),
    ]
    p_high = ways[stream.integers(len(ways))](p_high)
    thresholds = {
        f"m{k}": float(stream.choice([0.5, 0.0, 1.0, 1.5, -0.2, 0.05, stream.random(), p_high[k, 0]]))
        for k in range(n_models)
    }
    smallest = int(stream.choice([1, 1, 3, 10]))
    return measure_site(p_high, is_high, thresholds, smallest=smallest), smallest


@pytest.mark.parametrize("seed", range(150))
def test_statistics_of_patients_are_possible(seed):
    site, smallest = drawn_site(np.random.default_rng(seed))
    assert is_possible(site, smallest=smallest)


def first(**given):
    return lambda site: site["models"][0].update(given)


def pair(**given):
    return lambda site: site["pairs"][0].update(given)


def of_first(name, change):
    """A change of a number of the first model."""
    return lambda site: site["models"][0].update({name: change(site["models"][0][name])})


IMPOSSIBLE = {
    "difference beyond 1": pair(difference=5.0),
    "difference of other AUCs": pair(difference=0.3),
    "pair of another model": pair(model_a="other"),
    "no pair": lambda site: site.update(pairs=[]),
    "a pair twice": lambda site: site.update(pairs=2 * site["pairs"]),
    "covariance beyond both variances": pair(covariance=0.5),
    "variance of the difference": pair(variance=1e-6),
    "AUC beyond 1": first(auc=1.5),
    "AUC below any pair": first(auc=1e-300),
    "AUC beside the counts": first(auc=0.25),
    "AUC of no whole pairs": of_first("auc", lambda auc: auc + 1e-4),
    "AUC that does not vary": first(auc_variance=None),
    "AUC that varies too much": first(auc_variance=0.3),
    "AUC that hardly varies": first(auc_variance=1e-12),
    "negative variance": first(auc_variance=-1.0),
    "expected beyond all": first(expected=1e9),
    "expected beside the counts": of_first("expected", lambda expected: expected + 3),
    "Brier score of 0": first(brier=0.0),
    "Brier score beside the counts": of_first("brier", lambda brier: brier + 0.15),
    "Brier score that varies too much": first(brier_variance=0.1),
    "Brier score without variance": first(brier_variance=None),
    "intercept without variance": first(intercept_variance=None),
    "intercept of the wrong sign": of_first("intercept", lambda value: -value),
    "intercept too certain": first(intercept_variance=1e-6),
    "slope too steep": first(slope=1e20),
    "slope too certain": first(slope_variance=1e-300),
    "more calls at a higher threshold": lambda site: site["models"][0]["benefit"][15].update(tp=24),
    "calls beside those of its neighbours": lambda site: site["models"][0]["calls"].update(tp=0, fp=0),
    "calls at another threshold": lambda site: site["models"][0]["calls"].update(threshold=0.4001),
    "other thresholds": lambda site: site["models"][0]["benefit"].pop(),
    "suppressed without a rule": lambda site: site["models"][0]["benefit"][3].update(tp=None, fp=None),
    "half suppressed": lambda site: site["models"][0]["benefit"][3].update(tp=None),
    "more patients": lambda site: site.update(n=6000),
    "one grade": lambda site: site.update(n_high=60),
}
"""What is changed in the statistics of 60 patients, 24 of high grade, by two models."""


@pytest.fixture
def members(write_run, tmp_path):
    """What a hospital shares, by name."""
    with zipfile.ZipFile(ng.share(write_run(1), tmp_path / "share.zip").path) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name != MANIFEST}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_numbers_that_contradict_each_other_are_refused(members, tmp_path, case):
    """With digests that agree, as of a person who changes a number and all digests with it."""
    content = json.loads(members["statistics.json"])
    before = copy.deepcopy(content)
    IMPOSSIBLE[case](content)
    assert content != before
    path = tmp_path / "edited.zip"
    write_share(path, {**members, "statistics.json": json.dumps(content).encode()})
    is_named = case == "calls at another threshold"
    what = "it names other models or thresholds" if is_named else "holds numbers that no patients can give"
    with pytest.raises(ShareError, match=what):
        read_share(path)


HEADS = {
    "a rule below 1": lambda head: head.update(smallest=0),
    "an outcome in words": lambda head: head.update(outcome="王小明"),
    "an identity in words": lambda head: head["models"][0].update(identity="王小明"),
    "a key in words": lambda head: head.update(key_id="../../other"),
    "no model": lambda head: head.update(models=[]),
    "a model twice": lambda head: head.update(models=2 * head["models"][:1]),
}


@pytest.mark.parametrize("case", HEADS)
def test_a_head_with_anything_else_is_refused(members, tmp_path, case):
    head = json.loads(members["share.json"])
    HEADS[case](head)
    write_share(tmp_path / "edited.zip", {**members, "share.json": json.dumps(head).encode()})
    with pytest.raises(ShareError, match=r"share\.json holds something that `nephrograde share` does not write"):
        read_share(tmp_path / "edited.zip")


def test_fewer_patients_than_the_file_says_are_refused(members, tmp_path):
    head = json.loads(members["share.json"])
    head.update(fewest=25)
    write_share(tmp_path / "edited.zip", {**members, "share.json": json.dumps(head).encode()})
    with pytest.raises(ShareError, match="it is about fewer patients than it says"):
        read_share(tmp_path / "edited.zip")
