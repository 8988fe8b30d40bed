"""The locked test set: each opening is written down, and development can go on without looking."""

import shutil
from contextlib import contextmanager

import pytest

from nephrograde.errors import RunError
from nephrograde.evaluation.ledger import read_ledger
from nephrograde.files import fingerprint, read_json, read_rows
from nephrograde.pipeline import evaluate_table, load_inputs, report_study, run_study
from nephrograde.study import EvaluateSettings

OTHER_RULES = ("evaluate.margin=0.1",)


@pytest.fixture
def run_dir(tiny_run_copy):
    return tiny_run_copy


def splits_of(run_dir):
    return {row["split"] for row in read_rows(run_dir / "scores" / "scores.csv")}


def test_a_run_opens_the_test_set_once(tiny_run_dir):
    (opening,) = read_ledger(tiny_run_dir)
    assert opening.reason == "first evaluation"
    assert opening.study == fingerprint(read_json(tiny_run_dir / "study.lock.json")["study"])
    assert opening.command == "nephrograde run study.toml"


def test_other_rules_need_a_reason(run_dir, tiny_study_path):
    study = load_inputs(tiny_study_path, OTHER_RULES)
    scores = (run_dir / "scores" / "scores.csv").read_bytes()
    with pytest.raises(RunError, match="opened once before"):
        run_study(study, run_dir)
    run_study(study, run_dir, reason="the margin was a slip")
    assert [opening.reason for opening in read_ledger(run_dir)] == ["first evaluation", "the margin was a slip"]
    run_study(study, run_dir)  # nothing has changed since
    assert len(read_ledger(run_dir)) == 2
    assert (run_dir / "scores" / "scores.csv").read_bytes() == scores


@pytest.mark.parametrize("override", ["fit.seed=7", "evaluate.margin=0.1", "arm.weak-1.slices=3"])
def test_a_reopened_test_set_is_refused_before_anything_is_fitted(run_dir, tiny_study_path, override):
    models = {path: path.stat().st_mtime_ns for path in (run_dir / "models").rglob("*.*")}
    lock = (run_dir / "study.lock.json").read_bytes()
    opened = []

    @contextmanager
    def steps(name, _):
        opened.append(name)
        yield lambda *_: None

    with pytest.raises(RunError, match="opened once before"):
        run_study(load_inputs(tiny_study_path, (override,)), run_dir, progress=steps)
    assert opened == ["Preparing scans"]
    assert (run_dir / "study.lock.json").read_bytes() == lock
    assert {path: path.stat().st_mtime_ns for path in (run_dir / "models").rglob("*.*")} == models
    assert len(read_ledger(run_dir)) == 1


def test_fitting_the_same_network_again_is_not_another_opening(run_dir, tiny_study_path):
    shutil.rmtree(run_dir / "models" / "weak-1-up" / "fold-0")
    run_study(load_inputs(tiny_study_path), run_dir)
    assert len(read_ledger(run_dir)) == 1


def test_an_interrupted_opening_counts_once(run_dir, tiny_study_path):
    (run_dir / "stages" / "evaluate.json").unlink()  # as if it had been killed before its end
    run_study(load_inputs(tiny_study_path), run_dir)
    assert len(read_ledger(run_dir)) == 1


def test_development_without_a_look(run_dir, tiny_study_path):
    (run_dir / "ledger.csv").unlink()
    run_study(load_inputs(tiny_study_path, OTHER_RULES), run_dir, reason=None)
    assert splits_of(run_dir) == {"oof"}
    assert {row["split"] for row in read_rows(run_dir / "scores" / "members.csv")} == {"oof"}
    for name in ("estimates", "calibration", "net_benefit", "subgroups", "increment"):
        assert {row["split"] for row in read_rows(run_dir / "statistics" / f"{name}.csv")} <= {"oof"}
    assert read_ledger(run_dir) == ()
    assert "Test set, n =" not in report_study(run_dir).read_text(encoding="utf-8")
    run_study(load_inputs(tiny_study_path, OTHER_RULES), run_dir)
    assert splits_of(run_dir) == {"oof", "test"}
    assert len(read_ledger(run_dir)) == 1


@pytest.mark.slow
def test_a_foreign_table_is_written_down_too(tmp_path):
    table = tmp_path / "scores.csv"
    rows = [f"P{i},A,{'test' if i < 20 else 'oof'},{i % 2},{0.3 + 0.1 * (i % 3)}" for i in range(40)]
    table.write_text("\n".join(["patient_id,model,split,is_high,p_high", *rows]), encoding="utf-8")
    run_dir = tmp_path / "out"
    evaluate_table(table, run_dir, settings=EvaluateSettings(), reason=None)
    assert (splits_of(run_dir), read_ledger(run_dir)) == ({"oof"}, ())
    for _ in range(2):
        evaluate_table(table, run_dir, settings=EvaluateSettings())
    evaluate_table(table, run_dir, settings=EvaluateSettings(confidence=0.9), reason="90 % was asked")
    assert [opening.reason for opening in read_ledger(run_dir)] == ["evaluation of a score table", "90 % was asked"]
    assert read_json(run_dir / "study.lock.json")["evaluate"]["confidence"] == 0.9
