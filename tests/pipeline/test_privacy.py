"""No name, birth date or hospital's id of a patient leaves the export, but in the key and in what lies beside it."""

import json
import shutil
from pathlib import Path

import pydicom
import pytest

from nephrograde import pipeline
from nephrograde.sources.scan.scan import ScanSettings
from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort

PATIENTS = 20
PRIVATE = (".key.csv", ".catalogue.sqlite", ".skipped.csv", ".series")
"""Endings of what says who is who, or where the originals lie; everything else may be passed on."""
STUDY = """
name = "planted identifiers (synthetic)"
synthetic = true
[cohort]
table = "{table}"
phases = ["cmp"]
[split]
folds = 2
[[arm]]
name = "weak-1"
supervision = "point"
slices = 1
[image]
slice_px = 32
[fit]
epochs = 1
warmup_epochs = 0
batch_size = 8
patience = 0
accelerator = "cpu"
"""


def name_of(k: int) -> str:
    return f"赵诊断{chr(0x4E00 + 37 * k)}"


def id_of(k: int) -> str:
    return f"ZY{4711000 + k}"


BIRTH_DATE = "19530817"


@pytest.fixture(scope="module")
def export_dir(tmp_path_factory):
    """A synthetic cohort as a hospital would export it: headers and folders say who the patients are."""
    cohort_dir = tmp_path_factory.mktemp("phantom")
    write_cohort(cohort_dir, PhantomSettings(patients=PATIENTS, phases=("cmp",), matrix_px=64, dicom=True))
    export_dir = tmp_path_factory.mktemp("export")
    rows = ["patient_id,isup_grade,cmp_point"]
    lines = (cohort_dir / "cohort.csv").read_text(encoding="utf-8").splitlines()
    headings = lines[0].split(",")
    series_dirs = sorted(path.parent for path in cohort_dir.rglob("IM0001.dcm"))
    assert len(series_dirs) == PATIENTS
    for k, series_dir in enumerate(series_dirs):
        target_dir = export_dir / f"{name_of(k)} {id_of(k)}" / "CT"
        target_dir.mkdir(parents=True)
        for path in series_dir.iterdir():
            header = pydicom.dcmread(path)
            header.SpecificCharacterSet = "GB18030"
            header.PatientName, header.PatientID, header.PatientBirthDate = name_of(k), id_of(k), BIRTH_DATE
            del header.PatientIdentityRemoved
            header.save_as(target_dir / f"{id_of(k)}_{path.name}")
        cells = dict(zip(headings, next(line for line in lines if f"SYN-{k + 1:04d}" in line).split(","), strict=False))
        x, y, z = header.ImagePositionPatient
        rows.append(f'{id_of(k)},{cells["isup_grade"]},"{x + 120:.0f},{y + 150:.0f},{z:.0f} mm"')
    (export_dir / "分级.csv").write_text("\n".join(rows), encoding="gb18030")
    broken = export_dir / f"{name_of(0)}.dcm"
    broken.write_bytes(next(export_dir.rglob("*IM0001.dcm")).read_bytes()[:700])
    return export_dir


def found_in(folder: Path, *, needles: list[bytes]) -> list[str]:
    hits = []
    for path in sorted(folder.rglob("*")):
        if path.name.endswith(PRIVATE):
            continue
        content = str(path.relative_to(folder)).encode() + (path.read_bytes() if path.is_file() else b"")
        hits += [f"{path.relative_to(folder)}: {needle!r}" for needle in needles if needle in content]
    return hits


@pytest.mark.slow
def test_what_is_planted_in_the_export_is_in_nothing_that_is_made_of_it(export_dir, tmp_path, caplog):
    work_dir = tmp_path / "work"
    result, _ = pipeline.scan_cohort(
        export_dir,
        work_dir / "cohort.csv",
        settings=ScanSettings(look="never", workers=1, grades_path=export_dir / "分级.csv"),
    )
    assert result.n_scans == {"cmp": PATIENTS}
    needles = [
        text.encode(encoding)
        for k in range(PATIENTS)
        for text in (name_of(k), id_of(k), BIRTH_DATE)
        for encoding in ("utf-8", "gb18030")
    ]
    private = [path for path in work_dir.iterdir() if path.name.endswith(PRIVATE) and path.is_file()]
    assert private
    assert any(needle in path.read_bytes() for path in private for needle in needles)  # the search finds what is there
    shutil.rmtree(export_dir / f"{name_of(3)} {id_of(3)}")  # its list names what is gone, and findings say so

    study_path = tmp_path / "study.toml"
    study_path.write_text(STUDY.format(table=(work_dir / "cohort.csv").as_posix()), encoding="utf-8")
    study = pipeline.load_inputs(study_path)
    run_dir = work_dir / "run"
    pipeline.check_study(study, run_dir)
    pipeline.run_study(study, run_dir, command="nephrograde run study.toml")
    findings = (run_dir / "volumes" / "findings.csv").read_text(encoding="utf-8")
    assert "file-missing" in findings
    assert found_in(work_dir, needles=needles) == []
    assert not any(needle.decode("utf-8", "ignore") in caplog.text for needle in needles[::2])
    assert json.loads((run_dir / "study.lock.json").read_text(encoding="utf-8"))["study"]["synthetic"]
