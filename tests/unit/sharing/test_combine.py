"""Several hospitals together: scores and statistics give the same numbers, and what may not be combined is refused."""

import json
import math
import zipfile

import numpy as np
import pytest
from tests.unit.report.pages.test_chinese import Page, english
from tests.unit.sharing.conftest import MODELS, drawn

import nephrograde as ng
from nephrograde.errors import InputError, ShareError
from nephrograde.evaluation.performance.interval import newcombe_bounds
from nephrograde.evaluation.scores.scores import Score
from nephrograde.files import read_rows
from nephrograde.sharing.combine import area_of, auc_effect, combine_shared
from nephrograde.sharing.random_effects import pool_effects
from nephrograde.sharing.share_file import MANIFEST, read_share, write_share
from nephrograde.sharing.site import measure_site


def numbers(found):
    """Every number that was found, by the row and column that it stands in."""
    tables = (found.sites, found.pooled, found.without, found.benefit)
    return [
        (k, name, getattr(row, name))
        for rows in tables
        for k, row in enumerate(rows)
        for name in row.__dataclass_fields__
        if isinstance(getattr(row, name), int | float)
    ]


def test_scores_statistics_and_a_mix_give_the_same_numbers(share):
    sets = [[share(k, kind, name=f"{k}-{j}") for k in range(4)] for j, kind in enumerate(("scores", "statistics"))]
    mixed = [*sets[0][:2], *sets[1][2:]]
    first, *others = [numbers(ng.combine(paths)) for paths in (*sets, mixed)]
    assert len(first) > 300
    for other in others:
        assert [one[:2] for one in other] == [one[:2] for one in first]
        assert [one[2] for one in other] == pytest.approx([one[2] for one in first], abs=1e-9, nan_ok=True)


def test_each_hospital_alone_has_the_numbers_of_its_own_evaluation(share):
    found = ng.combine([share(k, "scores") for k in range(3)])
    frame = ng.evaluate(
        pd_frame(drawn(1)),
        bootstraps=100,
    ).estimates.set_index(["model", "measure"])
    row = next(row for row in found.sites if (row.site, row.model) == ("site-1", "size"))
    for measure in ("auc", "brier", "calibration_intercept", "calibration_slope"):
        for own, column in ((measure, "value"), (f"{measure}_low", "low"), (f"{measure}_high", "high")):
            assert getattr(row, own) == pytest.approx(frame.loc[("size", measure), column], abs=1e-9)
    rows = [one for one in drawn(1) if one.model == "size"]
    observed = sum(one.is_high for one in rows)
    assert row.observed_expected == pytest.approx(observed / sum(one.p_high for one in rows))
    assert row.sensitivity == sum(one.is_high and one.p_high >= 0.5 for one in rows) / observed


def pd_frame(rows):
    import pandas as pd

    return pd.DataFrame(
        [{name: getattr(row, name) for name in ("patient_id", "model", "is_high", "p_high")} for row in rows]
    )


def test_the_mean_is_that_of_the_hospitals_on_log_odds(share):
    found = ng.combine([share(k) for k in range(5)], confidence=0.9)
    rows = [row for row in found.sites if row.model == "weak-1-cmp"]
    effects = [auc_effect(area_of(one.statistics, "weak-1-cmp")) for one in found.shared.values()]
    assert [one.value for one in effects] == pytest.approx([math.log(row.auc / (1 - row.auc)) for row in rows])
    made = pool_effects(*zip(*effects, strict=True), confidence=0.9)
    row = found.estimate("weak-1-cmp", "auc")
    assert math.log(row.value / (1 - row.value)) == pytest.approx(made.value)
    assert math.log(row.high / (1 - row.high)) == pytest.approx(made.high)
    assert min(one.auc for one in rows) < row.value < max(one.auc for one in rows)
    assert (row.sites, row.n, row.n_high) == (5, 300, 120)


def test_leaving_a_hospital_out_is_combining_the_others(share):
    paths = [share(k) for k in range(4)]
    found = ng.combine(paths)
    for k, path in enumerate(paths):
        rest = ng.combine([one for one in paths if one != path]).estimate("size", "auc")
        row = next(row for row in found.without if (row.model, row.without) == ("size", f"site-{k}"))
        assert (row.auc, row.low, row.high) == pytest.approx((rest.value, rest.low, rest.high), abs=1e-12)
        assert row.change == pytest.approx(rest.value - found.estimate("size", "auc").value)
    assert ng.combine(paths[:2]).without == ()


def test_models_are_compared_within_each_hospital(share):
    found = ng.combine([share(k) for k in range(4)])
    row = found.estimate("weak-1-cmp", "auc_difference", "size")
    alone = []
    for k in range(4):
        first, second = (np.array([one.p_high for one in drawn(k) if one.model == model]) for model in MODELS)
        alone.append(ng.compare(first, second, truths(k)))
    made = pool_effects(
        [one.difference for one in alone], [(one.difference / one.statistic) ** 2 for one in alone], confidence=0.95
    )
    assert (row.value, row.low, row.high) == pytest.approx((made.value, made.low, made.high), abs=1e-9)


def truths(number):
    return [row.is_high for row in drawn(number) if row.model == "size"]


def test_the_order_of_models_in_a_file_plays_no_part(share):
    paths = [share(0), share(1)]
    turned = [share(0, name="x"), share(1, rows=tuple(reversed(drawn(1))), name="y")]
    assert [one.name for one in read_share(turned[1]).head.models] == list(reversed(MODELS))
    a, b = (ng.combine(one).estimate("weak-1-cmp", "auc_difference", "size") for one in (paths, turned))
    assert (a.value, a.low) == pytest.approx((b.value, b.low), abs=1e-12)


def test_names_of_models_may_be_chinese(share):
    paths = [share(k, kind, drawn(k, models=("影像模型",))) for k, kind in enumerate(("scores", "statistics"))]
    assert ng.combine(paths).models == ("影像模型",)


def test_models_that_rank_alike_have_no_pooled_difference(share):
    rows = [
        *drawn(0),
        *(Score(r.patient_id, "copy", "test", None, r.is_high, r.p_high) for r in drawn(0) if r.model == "size"),
    ]
    other = [
        *drawn(1),
        *(Score(r.patient_id, "copy", "test", None, r.is_high, r.p_high) for r in drawn(1) if r.model == "size"),
    ]
    found = ng.combine([share(0, rows=tuple(rows)), share(1, rows=tuple(other))])
    row = found.estimate("size", "auc_difference", "copy")
    assert row.reason == "no-variance"
    assert math.isnan(row.value)


def test_net_benefit_is_that_of_all_patients_together(share):
    found = ng.combine([share(k) for k in range(3)])
    everyone = [row for k in range(3) for row in drawn(k) if row.model == "size"]
    for row in found.benefit:
        if row.model == "size":
            odds = row.threshold / (1 - row.threshold)
            tp = sum(one.is_high for one in everyone if one.p_high >= row.threshold)
            fp = sum(not one.is_high for one in everyone if one.p_high >= row.threshold)
            assert (row.tp, row.fp) == (tp, fp)
            assert row.net_benefit == pytest.approx((tp - odds * fp) / 180)
            assert row.treat_all == pytest.approx((72 - odds * 108) / 180)
            assert row.low <= row.net_benefit <= row.high


def test_suppressed_counts_give_no_net_benefit_there(write_run, tmp_path, share):
    hidden = ng.share(write_run(7), tmp_path / "hidden.zip", smallest=5).path
    found = ng.combine([share(0), hidden])
    counts = read_share(hidden).statistics.model("size").benefit
    rows = [row for row in found.benefit if row.model == "size"]
    assert [row.reason == "suppressed" for row in rows] == [count.tp is None for count in counts]
    assert all(math.isnan(row.net_benefit) for row in rows if row.reason)


def test_a_hospital_with_an_auc_of_1_stays_in_the_mean():
    is_high = np.arange(40) < 15
    perfect = measure_site(np.where(is_high, 0.9, 0.2)[np.newaxis], is_high, {"m": 0.5})
    effect = auc_effect(area_of(perfect, "m"))
    assert perfect.model("m").auc_variance is None
    assert effect.value == pytest.approx(math.log((15 * 25 + 0.5) / 0.5))
    low, high = newcombe_bounds(1.0, 15, 25, z=1.959964)
    assert effect.value - 1.959964 * math.sqrt(effect.variance) == pytest.approx(math.log(low / (1 - low)), abs=1e-5)
    assert high == 1.0
    alike = measure_site(np.full((1, 40), 0.3), is_high, {"m": 0.5})
    assert auc_effect(area_of(alike, "m")).value == 0.0
    assert 0.2 < math.sqrt(auc_effect(area_of(alike, "m")).variance) < 0.6


REFUSED = {
    "the same file twice": lambda s: [s(0), s(0)],
    "one key": lambda s: [s(0, key="one.key"), s(1, key="one.key")],
    "other pseudonyms of the same patients": lambda s: [s(0), s(0, "scores", name="again", key="two.key")],
    "other thresholds": lambda s: [s(0), s(1, size=0.6)],
    "other models": lambda s: [s(0), s(1, rows=tuple(r for r in drawn(1) if r.model == "size"))],
    "one hospital": lambda s: [s(0)],
}
WORDS = {
    "the same file twice": "both were shared under the same key",
    "one key": "both were shared under the same key",
    "other pseudonyms of the same patients": "both hold the same numbers",
    "other thresholds": "the threshold of size is 0.6, and that of site-0 0.5",
    "other models": "it holds the models size, and site-0 holds weak-1-cmp, size",
    "one hospital": "one hospital alone",
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_may_not_be_combined_is_refused(share, case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=WORDS[case]):
        ng.combine(REFUSED[case](share), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def rewritten(path, change):
    """A shared file whose head was changed, with digests that agree: what another version or hospital would write."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != MANIFEST}
    head = json.loads(members["share.json"])
    change(head)
    write_share(path, {**members, "share.json": json.dumps(head).encode()})
    return path


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda head: head.update(synthetic=True), "holds synthetic data, and the other does not"),
        (lambda head: head.update(outcome="who-isup-grade-3-4"), None),
        (lambda head: head["models"][0].update(identity="b" * 64), "is another model of the same name"),
    ],
)
def test_other_kinds_of_data_outcomes_and_networks_are_refused(share, change, what):
    def known(head):
        head.update(outcome="a" * 64)
        head["models"][0].update(identity="a" * 64)

    first, second = rewritten(share(0), known), rewritten(share(1), known)
    assert ng.combine([first, second]).n == 120
    with pytest.raises(InputError, match=what or "its outcome is defined in another way"):
        ng.combine([first, rewritten(second, change)])


def test_a_name_that_steers_a_terminal_is_refused(share):
    with pytest.raises(ShareError, match="holds something that `nephrograde share` does not write"):
        read_share(rewritten(share(0), lambda head: head["models"][0].update(name="\x1b[2J")))


EXTREMES = {
    "one of high grade": (np.arange(12) == 3, np.linspace(0.1, 0.9, 12)),
    "separated": (np.arange(30) > 12, np.linspace(0.0, 1.0, 30)),
    "wrong way": (np.arange(30) < 12, np.linspace(0.0, 1.0, 30)),
    "all alike": (np.arange(30) > 12, np.full(30, 0.25)),
    "certain": (np.arange(30) > 12, (np.arange(30) % 4 > 1).astype(float)),
    "none expected": (np.arange(30) > 12, np.zeros(30)),
}


@pytest.mark.parametrize("kind", ["scores", "statistics"])
def test_extreme_hospitals_give_numbers_or_a_reason(share, kind):
    paths = []
    for k, (is_high, p_high) in enumerate(EXTREMES.values()):
        columns = {"m": p_high, "half": 0.5 * p_high}
        rows = [
            Score(f"{k}-{j}", model, "test", None, bool(is_high[j]), float(p[j]))
            for model, p in columns.items()
            for j in range(p.size)
        ]
        paths.append(share(k, kind, tuple(rows)))
    found = ng.combine(paths)
    row = found.estimate("m", "auc")
    assert 0.0 < row.low < row.value < row.high < 1.0
    assert row.sites == 6
    single = next(row for row in found.sites if (row.n_high, row.model) == (1, "m"))
    assert math.isnan(single.auc_low)  # as in the evaluation of this hospital alone
    assert math.isnan(single.auc_high)
    assert single.weight > 0
    assert found.estimate("m", "calibration_slope").sites < 6
    assert found.estimate("m", "observed_expected").sites == 5
    assert found.estimate("m", "auc_difference", "half").reason == "no-variance"


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + bytes(18), b"patient_id,model\n"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(ShareError, match="was not written by `nephrograde share`"):
        read_share(tmp_path / "x.zip")
    with pytest.raises(ShareError, match="is missing"):
        read_share(tmp_path / "y.zip")


@pytest.mark.slow
def test_the_command_writes_page_and_tables_in_both_languages(share, tmp_path, nephrograde):
    paths = [str(share(k, ("scores", "statistics")[k % 2])) for k in range(3)]
    code, out, err = nephrograde("combine", *paths, "--out", str(tmp_path / "out"))
    assert code == 0
    assert "Fewer than 5 hospitals" in err
    assert "3 hospitals with 180 patients, 72 of them high grade" in out
    page = (tmp_path / "out" / "combined.html").read_text(encoding="utf-8")
    for part in ("Research use only", "Prediction interval", "site-2", "Without one hospital at a time", "<svg"):
        assert part in page
    assert page.count("<figure>") == 2
    code, out, _ = nephrograde("combine", *paths, "--out", str(tmp_path / "out"), "--lang", "zh")
    assert code == 0
    chinese = (tmp_path / "out" / "combined.zh.html").read_text(encoding="utf-8")
    assert "森林图" in chinese
    assert english(Page(chinese)) == []
    assert "src=" not in page + chinese
    rows = {name: read_rows(tmp_path / "out" / f"{name}.csv") for name in ("sites", "pooled", "leave_one_out")}
    assert {name: len(found) for name, found in rows.items()} == {"sites": 6, "pooled": 11, "leave_one_out": 6}


@pytest.mark.slow
def test_synthetic_patients_are_marked(share, tmp_path):
    paths = [rewritten(share(k), lambda head: head.update(synthetic=True)) for k in range(2)]
    assert ng.combine(paths, tmp_path / "out").is_synthetic
    page = (tmp_path / "out" / "combined.html").read_text(encoding="utf-8")
    assert page.count("SYNTHETIC DATA") > 5
    ng.combine([share(8), share(9)], tmp_path / "real")
    assert "SYNTHETIC" not in (tmp_path / "real" / "combined.html").read_text(encoding="utf-8")


def test_hospitals_with_files_of_one_name_are_numbered(share, tmp_path):
    found = []
    for k in range(2):
        folder = tmp_path / str(k)
        folder.mkdir()
        found.append(share(k).rename(folder / "share.zip"))
    assert list(ng.combine(found).shared) == ["share (1)", "share (2)"]
    assert "2 hospitals, 120 patients" in repr(ng.combine(found))
    assert combine_shared({"a": read_share(found[0]), "b": read_share(found[1])}).n == 120
