"""No name, birth date or hospital's id of a patient leaves the export, but in the key and in what lies beside it."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest

from nephrograde import pipeline
from nephrograde.quality.cohort_quality import quality_lines
from nephrograde.run.folder import RunFolder
from nephrograde.scanning import scan_export
from nephrograde.sources.scan.scan import ScanSettings
from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort
from nephrograde.terminal import print_findings
from nephrograde.volume.finding import read_findings
from nephrograde.volume.volume import write_image

PATIENTS = 16
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


NEEDLES = [
    text.encode(encoding)
    for k in range(PATIENTS)
    for text in (name_of(k), id_of(k), BIRTH_DATE)
    for encoding in ("utf-8", "gb18030")
]


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
    result, _ = scan_export(
        export_dir,
        work_dir / "cohort.csv",
        settings=ScanSettings(look="never", workers=1, grades_path=export_dir / "分级.csv"),
    )
    assert result.n_scans == {"cmp": PATIENTS}
    private = [path for path in work_dir.iterdir() if path.name.endswith(PRIVATE) and path.is_file()]
    assert private
    assert any(needle in path.read_bytes() for path in private for needle in NEEDLES)  # the search finds what is there
    shutil.rmtree(export_dir / f"{name_of(3)} {id_of(3)}")  # its list names what is gone, and findings say so

    study_path = tmp_path / "study.toml"
    study_path.write_text(STUDY.format(table=(work_dir / "cohort.csv").as_posix()), encoding="utf-8")
    study = pipeline.load_inputs(study_path)
    run_dir = work_dir / "run"
    pipeline.check_study(study, run_dir)
    pipeline.run_study(study, run_dir, command="nephrograde run study.toml")
    findings = (run_dir / "volumes" / "findings.csv").read_text(encoding="utf-8")
    assert "file-missing" in findings
    assert found_in(work_dir, needles=NEEDLES) == []
    assert not any(needle.decode("utf-8", "ignore") in caplog.text for needle in NEEDLES[::2])
    assert json.loads((run_dir / "study.lock.json").read_text(encoding="utf-8"))["study"]["synthetic"]


@pytest.fixture
def hand_made_table(export_dir, tmp_path):
    """A table written by hand, whose paths say who the patients are; each of the first ones has another fault."""
    source_dir = tmp_path / "source"
    shutil.copytree(export_dir, source_dir)
    with (export_dir / "分级.csv").open(encoding="gb18030", newline="") as stream:
        rows = {row["patient_id"]: row for row in csv.DictReader(stream)}
    kept = [k for k in range(PATIENTS) if (source_dir / f"{name_of(k)} {id_of(k)}").is_dir()]
    dirs = {k: source_dir / f"{name_of(k)} {id_of(k)}" for k in kept}
    cells = {
        k: {
            "patient_id": f"P{k}",
            "isup_grade": rows[id_of(k)]["isup_grade"],
            "cmp_image": f"{dirs[k].name}/CT",
            "cmp_point": rows[id_of(k)]["cmp_point"],
            "cmp_mask": "",
            "np_image": "",
            "np_point": "",
        }
        for k in kept
    }
    several, folders, prefix, mask, arm, series, gap = kept[:7]
    for k in kept[7:]:  # every fold has patients of both grades in the second phase too
        np_path = dirs[k] / f"{id_of(k)} np.nii.gz"
        values = np.random.default_rng(k).normal(40, 60, (16, 16, 6)).astype(np.int16)
        write_image(values, np_path, spacing_mm=(10.0, 10.0, 5.0))
        cells[k] |= {"np_image": np_path.relative_to(source_dir).as_posix(), "np_point": "8,8,3 vox"}
    (dirs[several] / "CT").rename(dirs[several] / f"{name_of(several)} 动脉期")
    shutil.copytree(dirs[series] / "CT", dirs[several] / f"{name_of(several)} 静脉期")
    cells[several]["cmp_image"] = dirs[several].name  # a folder of series: the remedy spoke of the folders
    for path in (dirs[folders] / "CT").iterdir():
        path.rename(dirs[folders] / path.name)
    (dirs[folders] / "CT").rmdir()
    for broken in sorted(dirs[folders].iterdir())[1:3]:  # files named after the patient in a folder named so
        broken.write_bytes(broken.read_bytes()[:-900])  # a single one would be bridged
    cells[folders] |= {"cmp_image": dirs[folders].name}
    # The image's path is the beginning of the mask's and of the other phase's, both of which are faulty.
    shutil.move(dirs[prefix] / "CT", dirs[prefix].with_suffix(".dir"))
    dirs[prefix].rmdir()
    dirs[prefix].with_suffix(".dir").rename(dirs[prefix])
    mask_path = dirs[prefix] / f"{name_of(prefix)} mask.nrrd"
    mask_path.write_bytes(b"NRRD0004\n" + name_of(prefix).encode())
    np_path = dirs[prefix] / f"{id_of(prefix)} np.nii.gz"
    np_path.write_bytes(b"")
    image, mask_name, np_name = (path.relative_to(source_dir).as_posix() for path in (dirs[prefix], mask_path, np_path))
    cells[prefix] |= {"cmp_image": image, "cmp_mask": mask_name, "np_image": np_name}
    mask_path = dirs[mask] / f"{name_of(mask)}.nii.gz"
    write_image(np.zeros((8, 8, 4), np.uint8), mask_path, spacing_mm=(1.0, 1.0, 1.0))
    cells[mask]["cmp_mask"] = mask_path.relative_to(source_dir).as_posix()
    picture_names = [f"{dirs[arm].name}/{name_of(arm)} {number}.png" for number in (1, 2)]
    (source_dir / picture_names[0]).write_bytes(b"")
    (source_dir / picture_names[1]).write_bytes(b"")
    cells[arm] |= {"cmp_image": ";".join(picture_names), "cmp_point": "1,1,1 vox"}  # read only when an arm is cut
    for path in (dirs[several] / f"{name_of(several)} 动脉期").iterdir():  # two series in one folder
        shutil.copy(path, dirs[series] / "CT" / f"{name_of(series)} {path.name}")
    for path in sorted((dirs[gap] / "CT").iterdir())[2:4]:  # a single one would be interpolated
        path.unlink()
    table_path = source_dir / "cohort.csv"
    with table_path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(cells[several]))
        writer.writeheader()
        writer.writerows(cells.values())
    expected = {
        (f"P{several}", "cmp_image", "dicom-none"),
        (f"P{folders}", "cmp_image", "file-truncated"),
        (f"P{prefix}", "cmp_mask", "file-unreadable"),
        (f"P{prefix}", "np_image", "file-empty"),
        (f"P{mask}", "cmp_mask", "mask-empty"),
        (f"P{arm}", "cmp_image", "file-unreadable"),
        (f"P{series}", "cmp_image", "dicom-several-series"),
        (f"P{gap}", "cmp_image", "dicom-gap"),
    }
    return table_path, expected


@pytest.mark.slow
def test_paths_that_say_who_the_patients_are_stay_in_the_table(hand_made_table, tmp_path, caplog, capfd):
    table_path, expected = hand_made_table
    study_path = tmp_path / "study.toml"
    text = STUDY.format(table=table_path.as_posix()).replace('phases = ["cmp"]', 'phases = ["cmp", "np"]')
    study_path.write_text(text, encoding="utf-8")
    study = pipeline.load_inputs(study_path)
    run_dir = tmp_path / "run"
    for language in ("en", "zh"):
        quality, _ = pipeline.check_study(study, run_dir, language=language)
        pipeline.run_study(study, run_dir, command="nephrograde run study.toml", language=language)
    print_findings(RunFolder(run_dir))
    for csv_path in (run_dir / "volumes" / "findings.csv", run_dir / "quality" / "quality.csv"):
        fatal = [finding for finding in read_findings(csv_path) if finding.severity == "fatal"]
        assert expected <= {(finding.patient_id, finding.column, finding.code) for finding in fatal}
    assert found_in(run_dir, needles=NEEDLES) == []
    said = caplog.text + "".join(capfd.readouterr()) + "".join(quality_lines(quality))
    assert "P0" in said
    assert not any(needle.decode("utf-8", "ignore") in said for needle in NEEDLES[::2])
