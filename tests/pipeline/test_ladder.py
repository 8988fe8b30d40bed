"""The ladder of a finished run whose arms are of two levels, with minutes from a reader's journal."""

import shutil

import pytest

from nephrograde.annotations.journal import Journal
from nephrograde.api import open_run
from nephrograde.cohort.stage import load_inputs
from nephrograde.evaluation.ladder.minutes import MinutesSource
from nephrograde.evaluation.ledger import read_ledger
from nephrograde.files import read_rows
from nephrograde.pipeline import evaluate_study, prepare_study
from nephrograde.run.folder import RunFolder
from nephrograde.vocabulary import Supervision

pytestmark = pytest.mark.slow


def annotate(folder, reader, patient, seconds):
    label = {"patient_id": patient, "phase": "cmp", "kind": "mask", "value": "1.nii.gz", "origin": "drawn"}
    Journal(folder, reader).append({**label, "id": f"{round(seconds):032x}", "active_s": seconds})


def test_minutes_come_from_the_journals_and_open_nothing(tiny_study_path, tiny_run_dir, tmp_path):
    run = RunFolder(tmp_path / "run")
    shutil.copytree(tiny_run_dir, run.run_dir)
    before = {row.model: row for row in open_run(run.run_dir).ladder if row.split == "oof"}
    assert {row.supervision for row in before.values()} == {Supervision.BOX, Supervision.MASK}
    kept = {path: path.read_bytes() for path in (run.scores_path, run.estimates_path, run.comparisons_path)}
    openings = read_ledger(run.run_dir)

    patient = read_rows(tiny_study_path.with_name("cohort.csv"))[0]["patient_id"]
    folder = tmp_path / "cohort.annotations"
    annotate(folder, "wang", patient, 600.0)  # another reader, whose labels the study does not use
    (folder / "li.csv").write_text(f"patient_id,cmp_comment\n{patient},seen\n", encoding="utf-8")
    study = load_inputs(tiny_study_path, (f"cohort.annotations='{folder / 'li.csv'}'",))
    prepare_study(study, run.run_dir)
    evaluate_study(study, run.run_dir)

    for row in (row for row in open_run(run.run_dir).ladder if row.split == "oof"):
        assert (row.auc, row.verdict) == (before[row.model].auc, before[row.model].verdict)
        if row.supervision is Supervision.MASK:
            assert (row.minutes, row.minutes_source, row.minutes_n) == (10.0, MinutesSource.MEASURED, 1)
        else:
            assert row.minutes == before[row.model].minutes
    assert read_ledger(run.run_dir) == openings
    assert {path: path.read_bytes() for path in kept} == kept
