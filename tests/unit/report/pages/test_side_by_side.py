from __future__ import annotations

import dataclasses
import json
import math
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nephrograde.errors import RunError
from nephrograde.evaluation.comparison.compare import compare_models
from nephrograde.evaluation.comparison.equivalence import compare_equivalence
from nephrograde.evaluation.comparison.family import holm
from nephrograde.evaluation.ledger import open_test_set
from nephrograde.evaluation.performance.metrics import Estimate, accuracy, auc, confusion, sensitivity, specificity
from nephrograde.evaluation.remarks import Rule, Verdict
from nephrograde.evaluation.scores.score_table import write_scores
from nephrograde.evaluation.scores.scores import SPLITS, Score, Scores
from nephrograde.evaluation.tables import write_estimates
from nephrograde.files import read_rows
from nephrograde.report.pages.side_by_side import Difference, compare_runs, differences, flat
from nephrograde.report.pages.side_by_side_page import auc_table, summary, warnings, write_side_by_side
from nephrograde.report.text.language import speaking
from nephrograde.run.folder import RunFolder
from nephrograde.run.provenance import FORMAT
from nephrograde.run.seal import renew_seal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.report.pages.side_by_side import MeasureRow, SideBySide
    from nephrograde.study import Study

MODELS = ("weak-1-cmp", "strong-cmp")


def made_scores(seed: int, models: tuple[str, ...] = MODELS, patients: range = range(30)) -> tuple[Score, ...]:
    """Half of the patients out of fold, half of them for testing; the truth hangs on the number of the patient only."""
    stream = np.random.default_rng(seed)
    rows = []
    for model in models:
        for k in patients:
            is_high = k % 3 == 0
            p_high = float(np.clip(0.4 + 0.25 * is_high + stream.normal(0, 0.2), 0, 1))
            split, fold = ("test", None) if k % 2 else ("oof", k // 2 % 2)
            rows.append(Score(f"P{k:02d}", model, split, fold, is_high, p_high))  # type: ignore[arg-type]
    return tuple(rows)


def estimates_of(rows: tuple[Score, ...]) -> list[tuple[str, str, Estimate]]:
    """The estimates that the page shows, at a threshold of one half."""
    scores = Scores(rows)
    found: list[tuple[str, str, Estimate]] = []
    for model in scores.models:
        for split in SPLITS:
            scored = scores.of(model, split)
            if not len(scored):
                continue
            n, n_high = len(scored), int(scored.is_high.sum())
            counts = confusion(scored.p_high, scored.is_high, threshold=0.5)
            plain = {"tp": counts.tp, "fp": counts.fp, "tn": counts.tn, "fn": counts.fn}
            found += [(model, split, Estimate(name, value, nan, nan, n, n_high, "")) for name, value in plain.items()]
            frozen = Estimate("threshold", 0.5, nan, nan, n, n_high, "", rule=Rule.FIXED)
            found += [
                (model, split, frozen),
                (model, split, auc(scored.p_high, scored.is_high)),
                (model, split, accuracy(counts)),
            ]
            found += [(model, split, sensitivity(counts)), (model, split, specificity(counts))]
    return found


def store(run_dir: Path, rows: tuple[Score, ...], study: Study | None = None, **lock: Any) -> Path:
    write_scores(Scores(rows), run_dir / "scores" / "scores.csv")
    write_estimates(estimates_of(rows), run_dir / "statistics" / "estimates.csv")
    content: dict[str, Any] = {"format": FORMAT}
    if study is not None:
        content |= {"study": study.model_dump(mode="json"), "versions": {"torch": "2.13.0"}, "inputs": {}} | lock
    (run_dir / "study.lock.json").write_text(json.dumps(content), encoding="utf-8")
    renew_seal(RunFolder(run_dir), ())
    return run_dir


def row_of(side: SideBySide, model: str, measure: str) -> MeasureRow:
    return next(row for row in side.rows if (row.model, row.measure) == (model, measure))


@pytest.fixture
def two_runs(tmp_path: Path, make_study: Callable[..., Study]) -> tuple[Path, Path]:
    a = store(tmp_path / "a", made_scores(1), make_study(), inputs={"t.csv": "11", "i.nii": "22"})
    b = store(tmp_path / "b", made_scores(2), make_study(split={"folds": 5}), inputs={"t.csv": "11"}, command="x")
    open_test_set(b, study="s", inputs="i", reason="", command="x")
    return a, b


def test_difference_is_the_paired_one_on_the_same_patients(two_runs: tuple[Path, Path]) -> None:
    side = compare_runs(*two_runs)
    assert side.split == "test"
    expected = []
    for model in MODELS:
        a, b = (record.scores.of(model, "test") for record in (side.a, side.b))
        at = [record.estimate(model, "threshold") for record in (side.a, side.b)]
        thresholds = {"a": at[0].value if at[0] else 0, "b": at[1].value if at[1] else 0}
        expected.append({pair.measure: pair for pair in compare_models({"a": a, "b": b}, thresholds)})
    for measure in ("auc", "accuracy", "sensitivity", "specificity"):
        adjusted = holm([pairs[measure].p_value for pairs in expected])
        for model, pairs, p in zip(MODELS, expected, adjusted, strict=True):
            found = row_of(side, model, measure).comparison
            assert found is not None
            assert found.difference == pairs[measure].difference
            assert found.p_value == pairs[measure].p_value
            assert found.p_adjusted == p
            assert found.n == pairs[measure].n
            assert (found.model_a, found.model_b) == (f"A: {model}", f"B: {model}")
    found = row_of(side, "weak-1-cmp", "auc").comparison
    assert found is not None
    assert found.n == 15
    assert "not in both" not in found.method


def test_run_a_is_judged_against_run_b_by_the_area(tmp_path: Path) -> None:
    rows = [made_scores(seed, ("weak-1-cmp",), range(400)) for seed in (1, 2)]
    side = compare_runs(store(tmp_path / "a", rows[0]), store(tmp_path / "b", rows[1]))
    scores = {name: run.scores.of("weak-1-cmp", "test") for name, run in (("a", side.a), ("b", side.b))}
    expected = compare_equivalence(scores, margin=0.05)[0]
    found = row_of(side, "weak-1-cmp", "auc").equivalence
    assert found is not None
    assert found.verdict is not None
    assert not found.verdict.is_withheld
    assert (found.verdict, found.low, found.high) == (expected.verdict, expected.low, expected.high)
    assert row_of(side, "weak-1-cmp", "accuracy").equivalence is None
    write_side_by_side(side, tmp_path / "out")
    written = read_rows(tmp_path / "out" / "compare.csv", ("measure", "margin", "verdict"))
    assert {row["measure"]: row["verdict"] for row in written} == {
        "auc": expected.verdict, "accuracy": "", "sensitivity": "", "specificity": "",
    }  # fmt: skip


def test_few_patients_in_both_runs_have_no_verdict(two_runs: tuple[Path, Path]) -> None:
    found = row_of(compare_runs(*two_runs), "weak-1-cmp", "auc").equivalence
    assert found is not None
    assert found.verdict is Verdict.TOO_FEW


def test_what_differs_is_listed_key_by_key(two_runs: tuple[Path, Path]) -> None:
    side = compare_runs(*two_runs)
    assert side.settings == (Difference("split.folds", "3", "5"),)
    assert side.same_settings > 30
    assert set(side.provenance) == {
        Difference("command", "", "x"),
        Difference("inputs", "2", "1"),
        Difference("ledger.csv", "", "1"),
    }
    assert side.same_inputs == 1


def test_paths_are_not_compared_but_digests(tmp_path: Path, make_study: Callable[..., Study]) -> None:
    runs = []
    for name, digest in (("a", "11"), ("b", "22")):
        study = make_study(
            cohort={"table": f"/data/王小明/{name}.csv", "phases": ["cmp", "np"]},
            fit={"weights_2d": {"path": f"/data/王小明/{name}.pth", "sha256": "0" * 64}},
        )
        command = f"nephrograde run /data/王小明/{name}.toml"
        runs.append(store(tmp_path / name, made_scores(1), study, inputs={"cohort table": digest}, command=command))
    side = compare_runs(runs[0], runs[1])
    assert side.settings == (Difference("cohort.table", "SHA-256 11", "SHA-256 22"),)
    assert "王小明" not in write_side_by_side(side, tmp_path / "out").read_text(encoding="utf-8")


def test_arms_are_matched_by_name() -> None:
    a = {"arm": [{"name": "w", "fit": {"epochs": 3}}, {"name": "s", "slices": None}], "window": {}}
    b = {"arm": [{"name": "s", "slices": 2}, {"name": "w", "fit": {}}], "phases": ["cmp"]}
    assert differences(flat(a), flat(b)) == (
        Difference("arm.w.fit.epochs", "3", ""),
        Difference("arm.s.slices", "null", "2"),
        Difference("phases", "", '["cmp"]'),
    )


def test_same_run_differs_by_nothing(two_runs: tuple[Path, Path], tmp_path: Path, make_study: Any) -> None:
    copy = store(tmp_path / "copy", made_scores(1), make_study(), inputs={"t.csv": "11", "i.nii": "22"})
    side = compare_runs(two_runs[0], copy)
    found = row_of(side, "weak-1-cmp", "auc").comparison
    assert found is not None
    assert (found.difference, found.p_value) == (0.0, 1.0)
    assert summary(side)[0] == "Both runs were tested on the same 15 patients."
    assert warnings(side) == []
    page = write_side_by_side(side, tmp_path / "out").read_text(encoding="utf-8")
    assert "None: all recorded entries are equal." in page
    assert "None: all " in page


def test_only_the_patients_of_both_runs_are_tested_and_that_is_said(tmp_path: Path) -> None:
    a = store(tmp_path / "a", made_scores(1, patients=range(26)))
    b = store(tmp_path / "b", made_scores(2, patients=range(4, 30)))
    side = compare_runs(a, b)
    over = side.overlap
    assert (over.a, over.b, over.both) == (26, 26, 22)
    assert (over.test_a, over.test_b, over.test_both, over.moved) == (13, 13, 11, 0)
    found = row_of(side, "weak-1-cmp", "auc").comparison
    assert found is not None
    assert found.n == 11
    assert found.method.endswith("2 patients of run A and 2 of run B are not in both")
    assert summary(side)[0] == "The test sets differ: 13 patients in run A, 13 in run B, 11 in both."
    assert "(n = 11)" in summary(side)[1]


def test_patients_with_another_truth_are_left_out_and_named(tmp_path: Path) -> None:
    flipped = tuple(
        dataclasses.replace(row, is_high=not row.is_high) if row.patient_id == "P05" else row for row in made_scores(2)
    )
    side = compare_runs(store(tmp_path / "a", made_scores(1)), store(tmp_path / "b", flipped))
    found = row_of(side, "strong-cmp", "auc").comparison
    assert found is not None
    assert found.n == 14
    assert side.overlap.truths_differ == ("P05",)
    assert warnings(side) == [
        "1 of 30 common ids have different truths in the two runs (P05). These patients are excluded from all tests."
    ]


def test_ids_that_name_other_patients_are_not_paired(tmp_path: Path) -> None:
    others = tuple(dataclasses.replace(row, is_high=int(row.patient_id[1:]) % 5 == 1) for row in made_scores(2))
    side = compare_runs(store(tmp_path / "a", made_scores(1)), store(tmp_path / "b", others))
    assert {row.untested for row in side.rows} == {"the same ids have other truths"}
    assert " …)" in warnings(side)[0]
    assert summary(side)[1] == "No difference is tested."
    page = write_side_by_side(side, tmp_path / "out").read_text(encoding="utf-8")
    assert "Not tested for weak-1-cmp, strong-cmp: more than 5% of the common ids" in page


def test_synthetic_against_other_data_is_not_tested_and_warned_of(tmp_path: Path, make_study: Any) -> None:
    a = store(tmp_path / "a", made_scores(1), make_study(synthetic=True))
    b = store(tmp_path / "b", made_scores(2), make_study(synthetic=False))
    side = compare_runs(b, a)
    assert {row.untested for row in side.rows} == {"one run is synthetic"}
    assert warnings(side)[0].startswith("Run B uses synthetic data and run A is not marked as synthetic")
    assert warnings(compare_runs(a, b))[0].startswith("Run A uses synthetic data")
    path = write_side_by_side(side, tmp_path / "out")
    assert "SYNTHETIC DATA" in path.read_text(encoding="utf-8")
    rows = read_rows(tmp_path / "out" / "compare.csv")
    assert {(row["a_synthetic"], row["b_synthetic"]) for row in rows} == {("0", "1")}
    assert {row["method"] for row in rows} == {"not tested: one run is synthetic"}


def test_a_score_table_made_from_a_synthetic_run_is_still_paired(tmp_path: Path, make_study: Any) -> None:
    side = compare_runs(store(tmp_path / "a", made_scores(1), make_study()), store(tmp_path / "b", made_scores(2)))
    assert row_of(side, "weak-1-cmp", "auc").comparison is not None
    assert warnings(side)
    page = write_side_by_side(side, tmp_path / "out").read_text(encoding="utf-8")
    assert "the evaluation of a score table, without a study file" in page
    assert "its settings are not known" in page


def test_models_of_one_run_and_strangers_stand_alone(tmp_path: Path) -> None:
    a = store(tmp_path / "a", made_scores(1, ("weak-1-cmp", "size")))
    b = store(tmp_path / "b", made_scores(2, ("weak-1-cmp", "volume"), range(31, 60)))
    side = compare_runs(a, b)
    reasons = {row.model: row.untested for row in side.rows}
    assert reasons == {
        "weak-1-cmp": "no patient was scored in both",
        "size": "only in run A",
        "volume": "only in run B",
    }
    headings, rows = auc_table(side)
    assert [row[0] for row in rows] == ["weak-1-cmp", "size only", "volume only"]
    assert rows[1][2:] == ("–",) * 5
    assert len(headings) == 7
    page = write_side_by_side(side, tmp_path / "out").read_text(encoding="utf-8")
    assert "Not tested for tumour size: only run A has the model." in page


def test_without_a_test_set_in_both_the_out_of_fold_scores_are_compared(tmp_path: Path) -> None:
    without = tuple(row for row in made_scores(2) if row.split == "oof")
    side = compare_runs(store(tmp_path / "a", made_scores(1)), store(tmp_path / "b", without))
    assert side.split == "oof"
    found = row_of(side, "weak-1-cmp", "auc").comparison
    assert found is not None
    assert found.n == 15
    assert "at least one run has no test set" in summary(side)[0]
    assert "Out of fold:" in write_side_by_side(side, tmp_path / "out").read_text(encoding="utf-8")


def test_moved_patients_are_counted(tmp_path: Path) -> None:
    turned = tuple(
        dataclasses.replace(row, split="test", fold=None) if row.patient_id in {"P00", "P02"} else row
        for row in made_scores(2)
    )
    side = compare_runs(store(tmp_path / "a", made_scores(1)), store(tmp_path / "b", turned))
    assert side.overlap.moved == 2
    assert warnings(side) == ["2 test patients of one run are training patients of the other."]


def test_what_cannot_be_computed_is_a_dash_with_its_reason(tmp_path: Path) -> None:
    low = tuple(row for row in made_scores(1) if row.split == "oof" or not row.is_high or row.patient_id < "P09")
    high = tuple(row for row in made_scores(2) if row.split == "oof" or not row.is_high or row.patient_id > "P09")
    side = compare_runs(store(tmp_path / "a", low), store(tmp_path / "b", high))
    found = row_of(side, "weak-1-cmp", "auc").comparison
    assert found is not None
    assert math.isnan(found.p_value)
    page = write_side_by_side(side, tmp_path / "out").read_text(encoding="utf-8")
    assert "patients of one grade only" in page
    rows = read_rows(tmp_path / "out" / "compare.csv")
    assert rows[0]["p_value"] == ""
    assert rows[0]["a_value"] != ""


def test_a_missing_threshold_leaves_the_areas(tmp_path: Path) -> None:
    a, b = store(tmp_path / "a", made_scores(1)), store(tmp_path / "b", made_scores(2))
    lines = (b / "statistics" / "estimates.csv").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if ",threshold," not in line]
    assert len(kept) < len(lines)
    (b / "statistics" / "estimates.csv").write_text("\n".join([*kept, ""]), encoding="utf-8")
    renew_seal(RunFolder(b), ())
    side = compare_runs(a, b)
    assert row_of(side, "weak-1-cmp", "auc").comparison is not None
    assert row_of(side, "weak-1-cmp", "accuracy").untested == "a threshold is missing"


def test_page_stands_alone_in_both_languages(two_runs: tuple[Path, Path], tmp_path: Path) -> None:
    side = compare_runs(*two_runs)
    english = write_side_by_side(side, tmp_path / "out")
    numbers = (tmp_path / "out" / "compare.csv").read_bytes()
    with speaking("zh"):
        chinese = write_side_by_side(side, tmp_path / "out")
    assert (english.name, chinese.name) == ("compare.html", "compare.zh.html")
    assert (tmp_path / "out" / "compare.csv").read_bytes() == numbers
    page, zh = english.read_text(encoding="utf-8"), chinese.read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert zh.count("仅供研究使用") == 2
    assert page.count("Research use only") == 2
    assert 'lang="zh-Hans"' in zh
    assert " only</" not in zh
    for text in (page, zh):
        assert "http" not in text.replace("http-equiv", "")
        assert "<script" not in text
        assert text.count("<tbody") == text.count("</tbody>")
        assert text.count('scope="rowgroup"') == len(MODELS)


def test_the_state_of_the_code_is_told_in_chinese(two_runs: tuple[Path, Path], tmp_path: Path) -> None:
    side = compare_runs(*two_runs)
    changed = Difference("git_commit", "abc1234 with uncommitted changes", "")
    with speaking("zh"):
        page_path = write_side_by_side(dataclasses.replace(side, provenance=(changed,)), tmp_path / "out")
    page = page_path.read_text(encoding="utf-8")
    assert "abc1234（有未提交的改动）" in page
    assert "uncommitted" not in page


def test_names_are_shown_as_text(tmp_path: Path) -> None:
    name = "<b>radiologist</b>"
    a, b = store(tmp_path / "a", made_scores(1, (name,))), store(tmp_path / "b", made_scores(2, (name,)))
    page = write_side_by_side(compare_runs(a, b), tmp_path / "out").read_text(encoding="utf-8")
    assert "&lt;b&gt;radiologist" in page
    assert name not in page


def test_folders_that_are_no_runs_are_refused(tmp_path: Path) -> None:
    a = store(tmp_path / "a", made_scores(1))
    with pytest.raises(RunError, match="not a run folder"):
        compare_runs(a, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="not a run folder"):
        compare_runs(tmp_path / "empty", a)
    (a / "scores" / "scores.csv").rename(tmp_path / "empty" / "scores.csv")
    with pytest.raises(RunError, match=r"scores\.csv is missing"):
        compare_runs(store(tmp_path / "b", made_scores(1)), a)
    with pytest.raises(RunError, match="same folder"):
        compare_runs(a, tmp_path / "empty" / ".." / "a")
