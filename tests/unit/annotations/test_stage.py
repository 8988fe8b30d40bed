"""The agreement of readers in the run of a study, and in its report."""

from __future__ import annotations

import pytest

from nephrograde.annotations.stage import compare_annotations
from nephrograde.cohort.agreement_row import AgreementRow
from nephrograde.evaluation.tables import read_table, write_table
from nephrograde.files import write_rows
from nephrograde.pipeline import evaluate_study, load_inputs
from nephrograde.report.methods.reader_methods import reader_agreement
from nephrograde.report.stage import report_run
from nephrograde.report.text.language import speaking
from nephrograde.results import Results
from nephrograde.run.folder import RunFolder
from nephrograde.study import CohortSettings, Study


@pytest.fixture
def run(tmp_path):
    folder = RunFolder(tmp_path / "run")
    write_rows(
        folder.cases_path, ("patient_id", "is_high"), [{"patient_id": one, "is_high": 1} for one in ("P1", "P2")]
    )
    return folder


@pytest.fixture
def study(tmp_path):
    def make(**readers):
        annotations = tmp_path / "annotations"
        annotations.mkdir(exist_ok=True)
        for reader, rows in readers.items():
            text = "\n".join(["patient_id,np_point", *(f'{patient},"{point} mm"' for patient, point in rows.items())])
            (annotations / f"{reader}.csv").write_text(text, encoding="utf-8")
        cohort = CohortSettings(table=tmp_path / "cohort.csv", phases=("np",), annotations=annotations / "li.csv")
        return Study.model_construct(cohort=cohort)

    return make


def distances(run):
    rows = read_table(AgreementRow, run.agreement_path)
    return [(row.reader, row.other_reader, row.n, row.value) for row in rows if row.measure == "point_distance_mm"]


def test_readers_of_the_folder_are_compared_on_the_patients_of_the_study(run, study):
    li = {"P1": "0,0,0", "P2": "0,0,0", "P9": "0,0,0"}
    chen = {"P1": "3,4,0", "P2": "0,0,5", "P9": "0,0,90"}
    compare_annotations(study(li=li, chen=chen, consensus=li), run)
    assert distances(run) == [("chen", "li", 2, 5.0)]
    compare_annotations(study(li=li, chen={**chen, "P2": "0,0,7"}), run)
    assert distances(run) == [("chen", "li", 2, 6.0)]


def test_one_reader_has_no_agreement(run, study, tmp_path):
    compare_annotations(study(li={"P1": "0,0,0"}, chen={"P1": "0,0,0"}), run)
    assert run.agreement_path.is_file()
    (tmp_path / "annotations" / "chen.csv").unlink()
    compare_annotations(study(li={"P1": "0,0,0"}), run)
    assert not run.agreement_path.exists()


def test_table_of_another_reader_with_mistakes_does_not_end_the_run(run, study):
    compare_annotations(study(li={"P1": "0,0,0"}, chen={"P1": "0,0"}), run)
    assert distances(run) == []


def test_agreement_does_not_open_the_test_set_again(tiny_run_copy, tiny_study_path):
    before = (tiny_run_copy / "ledger.csv").read_bytes()
    row = AgreementRow("cmp", "point_distance_mm", "li", "chen", 12, 3.25, q1=1.0, q3=4.5)
    write_table([row], AgreementRow, RunFolder(tiny_run_copy).agreement_path)
    evaluate_study(load_inputs(tiny_study_path), tiny_run_copy)
    assert (tiny_run_copy / "ledger.csv").read_bytes() == before


def test_report_has_the_agreement(tiny_run_copy):
    run = RunFolder(tiny_run_copy)
    assert reader_agreement(Results.read(run)) == ""
    row = AgreementRow("cmp", "point_distance_mm", "li", "chen", 12, 3.25, q1=1.0, q3=4.5)
    write_table([row], AgreementRow, run.agreement_path)
    with speaking("zh"):
        assert "阅片者：2位" in reader_agreement(Results.read(run))
    page = report_run(run).read_text(encoding="utf-8")
    assert "3.25 [1.00–4.50]" in page
    assert "Readers who annotated the scans: 2." in page
