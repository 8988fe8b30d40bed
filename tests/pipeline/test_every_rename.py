"""Each command is killed before and after every renaming, run again, and ends with the files of an undisturbed run."""

import os
import secrets

import pydicom
import pytest
from tests.pipeline.renames import FrozenTime, copied_around_renames, copy_dir, killed_states
from tests.small_study import QUICK_FIT, small_study
from tests.unit.sources.deidentify.conftest import ct_slice, save

from nephrograde.cli import main
from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort

STUDY = small_study("killed (synthetic)", fit=QUICK_FIT)


SAMPLED = 4
"""Longer commands are killed in so many states, or three times as many; set NEPHROGRADE_EVERY_RENAME=1 to try all."""


def run(*words):
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    assert not ended.value.code, words


@pytest.fixture(autouse=True)
def same_each_time(monkeypatch):
    """Nothing depends on the clock or on chance."""
    for module in ("run.provenance", "evaluation.ledger"):
        monkeypatch.setattr(f"nephrograde.{module}.datetime", FrozenTime)
    # One thread, so that the order of writing is the same each time.
    monkeypatch.setattr("nephrograde.crew.usable_processors", lambda: 1)
    monkeypatch.setattr(secrets, "token_bytes", bytes)
    monkeypatch.setattr(secrets, "randbelow", lambda _: 17)


@pytest.fixture
def kills(monkeypatch, tmp_path):
    """Kill a command everywhere, or in so many states; their number, and what differs afterwards."""

    def every(go, start_dir=None, *, most=None):
        if start_dir is None:
            start_dir = tmp_path / "start"
            start_dir.mkdir()
        found = list(killed_states(monkeypatch, go, start_dir, tmp_path / "kills", most=most))
        return len(found), [(what, names) for what, names in found if names]

    return every


@pytest.fixture
def grown_export_dir(tmp_path):
    """The export of two patients, one with two phases, one with a report that is skipped."""
    export_dir = tmp_path / "export"
    write_cohort(export_dir, PhantomSettings(patients=2, phases=("cmp", "np"), matrix_px=48, dicom=True), workers=1)
    for path in export_dir.rglob("*.dcm"):
        header = pydicom.dcmread(path)
        header.PatientID = f"HN{header.PatientID[-4:]}"
        del header.PatientIdentityRemoved
        header.save_as(path)
    return export_dir


def scan(export_dir):
    return lambda work_dir: run("scan", export_dir, "--out", work_dir / "cohort.csv", "--workers", "1")


@pytest.mark.slow
def test_scan(kills, grown_export_dir):
    n_states, differing = kills(scan(grown_export_dir), most=3 * SAMPLED)
    assert differing == []
    assert n_states >= 3 * SAMPLED


@pytest.mark.slow
def test_scan_of_a_grown_export_over_an_earlier_one(kills, grown_export_dir, tmp_path):
    later = [path for path in grown_export_dir.glob("images/*2/*") if path.is_dir()]
    for path in later:
        path.rename(tmp_path / path.name)
    start_dir = tmp_path / "start"
    start_dir.mkdir()
    scan(grown_export_dir)(start_dir)
    for path in later:
        (tmp_path / path.name).rename(path)
    n_states, differing = kills(scan(grown_export_dir), start_dir)
    assert differing == []
    assert n_states > 10


@pytest.mark.slow
def test_deidentify(kills, tmp_path):
    for number in (1, 2):
        save(ct_slice(number), tmp_path / "export" / "a" / f"{number}.dcm")
        save(ct_slice(number, patient="CN"), tmp_path / "export" / "b" / f"{number}.dcm")
    (tmp_path / "export" / "report.txt").write_text("not an image")

    def go(work_dir):
        run("deidentify", tmp_path / "export", "--out", work_dir / "out", "--key", work_dir / "apart" / "key.csv")

    n_states, differing = kills(go)
    assert differing == []
    assert n_states > 10


def test_init(kills):
    def go(work_dir):
        is_finished = (work_dir / "cohort.csv").exists()  # written last
        with pytest.raises(SystemExit) as ended:
            main(["init", str(work_dir)])
        assert ended.value.code == (2 if is_finished else 0)

    n_states, differing = kills(go)
    assert differing == []
    assert n_states >= 4


@pytest.mark.slow
def test_an_evaluated_table(kills, tmp_path):
    rows = "".join(f"P{n},mine,{n % 2},0.{n}\n" for n in range(1, 10))
    (tmp_path / "scores.csv").write_text(f"patient_id,model,is_high,p_high\n{rows}", encoding="utf-8")
    n_states, differing = kills(lambda work_dir: run("evaluate", tmp_path / "scores.csv", "--out", work_dir), most=3)
    assert differing == []
    assert n_states == 3


@pytest.fixture(scope="module")
def study_path(tmp_path_factory):
    cohort_dir = tmp_path_factory.mktemp("cohort")
    write_cohort(cohort_dir, PhantomSettings(patients=8, phases=("cmp",), matrix_px=48))
    (cohort_dir / "study.toml").write_text(STUDY, encoding="utf-8")
    return cohort_dir / "study.toml"


@pytest.fixture(scope="module")
def prepared_dir(study_path, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("prepared") / "run"
    run("prepare", study_path, "--out", run_dir)
    return run_dir


@pytest.fixture(scope="module")
def fitted_dir(study_path, prepared_dir, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("fitted") / "run"
    copy_dir(prepared_dir, run_dir)
    run("fit", study_path, "--out", run_dir)
    return run_dir


def on_study(command, study_path, *options):
    return lambda work_dir: run(command, study_path, "--out", work_dir, *options)


@pytest.mark.slow
def test_prepare(kills, study_path):
    n_states, differing = kills(on_study("prepare", study_path), most=3 * SAMPLED)
    assert differing == []
    assert n_states >= 3 * SAMPLED


@pytest.mark.slow
def test_prepare_with_other_settings(kills, study_path, prepared_dir):
    n_states, differing = kills(
        on_study("prepare", study_path, "--set", "image.slice_mm=120.0"), prepared_dir, most=3 * SAMPLED
    )
    assert differing == []
    assert n_states >= 3 * SAMPLED


@pytest.mark.slow
def test_check(kills, study_path, prepared_dir):
    n_states, differing = kills(on_study("check", study_path), prepared_dir, most=SAMPLED)
    assert differing == []
    assert n_states >= SAMPLED


@pytest.mark.slow
def test_fit(kills, study_path, prepared_dir):
    n_states, differing = kills(on_study("fit", study_path), prepared_dir, most=SAMPLED)
    assert differing == []
    assert n_states >= SAMPLED


@pytest.mark.slow
def test_evaluate_and_report(kills, study_path, fitted_dir):
    n_states, differing = kills(on_study("evaluate", study_path), fitted_dir, most=SAMPLED)
    assert differing == []
    assert n_states >= SAMPLED


@pytest.fixture(scope="module")
def evaluated_dir(study_path, fitted_dir, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("evaluated") / "run"
    copy_dir(fitted_dir, run_dir)
    run("evaluate", study_path, "--out", run_dir)
    return run_dir


@pytest.mark.slow
def test_evaluate_with_other_settings(kills, study_path, evaluated_dir):
    go = on_study("evaluate", study_path, "--set", "evaluate.confidence=0.9", "--reason", "other intervals")
    n_states, differing = kills(go, evaluated_dir, most=SAMPLED)
    assert differing == []
    assert n_states >= SAMPLED


@pytest.mark.slow
def test_an_interrupted_evaluation_is_not_reported(monkeypatch, study_path, evaluated_dir, tmp_path, nephrograde):
    """Tables of two evaluations are never read together."""
    go = on_study("evaluate", study_path, "--set", "evaluate.confidence=0.9", "--reason", "other intervals")
    work_dir = tmp_path / "work"
    copy_dir(evaluated_dir, work_dir)
    with copied_around_renames(monkeypatch, work_dir, tmp_path / "states") as states:
        go(work_dir)
    (mixed_dir,) = (
        state_dir
        for state_dir, what in states
        if what == f"after statistics/.nephrograde-{os.getpid()}-estimates.csv became estimates.csv"
    )
    code, _, errors = nephrograde("report", study_path, "--out", mixed_dir)
    assert (code, "interrupted" in errors) == (2, True)
