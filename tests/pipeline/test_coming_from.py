"""The guide for those who come from other programs: its lines and commands, run on synthetic files of their layouts."""

from __future__ import annotations

import json
import random
import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import SimpleITK

import nephrograde as ng
from nephrograde.cohort.table import read_cohort, read_table
from nephrograde.files import read_rows, write_rows
from nephrograde.study.file import load_study

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Command = Callable[..., tuple[int, str, str]]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "coming-from.md"
PATIENTS = 7


def code_of(section: str, language: str) -> list[str]:
    """The blocks of code in a language in a section of the page; before the first one, the section has no name."""
    found: list[str] = []
    here, opened = "", None
    for line in PAGE.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.startswith("```"):
            opened = None if opened is not None else line[3:].strip()
            if (here, opened) == (section, language):
                found.append("")
        elif opened is None and line.startswith("## "):
            here = line[3:].strip()
        elif (here, opened) == (section, language):
            found[-1] += line
    return found


@pytest.fixture(scope="module")
def patients(tiny_cohort_dir: Path) -> list[dict[str, str]]:
    """Few patients of the synthetic cohort, of both grades, with the paths of their files."""
    rows = read_table(tiny_cohort_dir / "cohort.csv")
    low = [row for row in rows if row["isup_grade"] < "3"][:4]
    high = [row for row in rows if row["isup_grade"] > "2"][: PATIENTS - 4]
    files = ("cmp_image", "cmp_mask", "up_image")
    return [row | {name: str(tiny_cohort_dir / row[name]) for name in files} for row in (*low, *high)]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patients: list[dict[str, str]]) -> Path:
    """The folder of a reader of the page, with a table of grades."""
    monkeypatch.chdir(tmp_path)
    write_grades({row["patient_id"]: row["isup_grade"] for row in patients})
    return tmp_path


def write_grades(grades: dict[str, str]) -> None:
    rows = [{"patient_id": patient, "isup_grade": grade} for patient, grade in grades.items()]
    write_rows(Path("grades.csv"), ["patient_id", "isup_grade"], rows)


def follow(section: str, nephrograde: Command, *, without: Sequence[str] = ()) -> None:
    """Run the lines of a section, after those before the first section, and then its commands of this program.

    Commands that another test runs on other files are left out.
    """
    names: dict[str, Any] = {}
    for code in (*code_of("", "python"), *code_of(section, "python")):
        exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102 - the page is what is tested
    lines = "".join(code_of(section, "")).splitlines()
    typed = [shlex.split(line)[1:] for line in lines if line.startswith("nephrograde ")]
    assert typed
    for words in typed:
        if words[0] not in without:
            ended, out, err = nephrograde(*words)
            assert ended == 0, f"{words}\n{out}\n{err}"


def test_nnunet(home: Path, patients: list[dict[str, str]], nephrograde: Command) -> None:
    raw = home / "nnUNet_raw" / "Dataset501_Kidney"
    for folder in ("imagesTr", "labelsTr", "imagesTs", "predictions"):
        (raw / folder).mkdir(parents=True)
    for k, row in enumerate(patients):
        images, labels = ("imagesTs", "predictions") if k in {0, PATIENTS - 1} else ("imagesTr", "labelsTr")
        shutil.copy(row["cmp_image"], raw / images / f"{row['patient_id']}_0000.nii.gz")
        marked = SimpleITK.ReadImage(row["cmp_mask"])
        SimpleITK.WriteImage((marked != 0) * 2, str(raw / labels / f"{row['patient_id']}.nii.gz"))
    (raw / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "tumor": 2}}), encoding="utf-8")
    follow("nnU-Net", nephrograde, without=["check"])
    study = load_study(home / "from-nnunet" / "study.toml")
    assert (study.split.column, study.split.folds, study.cohort.phases) == ("split", 2, ("cmp",))
    assert read_cohort(study.cohort, study.split)[1] == []
    assert [arm.name for arm in study.arm] == ["weak-1", "weak-3", "strong"]


def test_totalsegmentator(home: Path, patients: list[dict[str, str]], nephrograde: Command) -> None:
    (home / "kidneys").mkdir()
    for row in patients[1:]:
        image = SimpleITK.ReadImage(row["cmp_image"])
        SimpleITK.WriteImage(two_kidneys(image), str(home / "kidneys" / f"{row['patient_id']}.nii.gz"))
    rows = [{name: row[name] for name in ("patient_id", "cmp_image")} for row in patients]
    write_rows(home / "cohort.csv", ["patient_id", "cmp_image"], rows)
    follow("TotalSegmentator", nephrograde, without=["check"])
    cells = [row["cmp_kidneys"] for row in read_table(home / "from-totalsegmentator" / "cohort.csv")]
    assert [Path(cell).name for cell in cells[1:]] == [f"{row['patient_id']}.nii.gz" for row in patients[1:]]
    assert cells[0] == ""
    study = load_study(home / "from-totalsegmentator" / "study.toml")
    assert [arm.supervision for arm in study.arm] == ["none"]


def two_kidneys(image: SimpleITK.Image) -> SimpleITK.Image:
    """Label two boxes of the size and place of kidneys, as labels 2 and 3 of TotalSegmentator."""
    marked = SimpleITK.Image(image.GetSize(), SimpleITK.sitkUInt8)
    marked.CopyInformation(image)
    columns, rows, slices = image.GetSize()
    for label, at in ((2, columns // 4), (3, 3 * columns // 4)):
        start = (at - columns // 16, rows // 2, slices // 4)
        size = (columns // 8, rows // 8, slices // 2)
        box = SimpleITK.Image(size, SimpleITK.sitkUInt8) + label
        marked = SimpleITK.Paste(marked, box, size, [0, 0, 0], start)
    return marked


def test_monai(home: Path, patients: list[dict[str, str]], nephrograde: Command) -> None:
    for row in patients:
        shutil.copy(row["cmp_image"], home / f"{row['patient_id']}.nii.gz")
    items: list[dict[str, Any]] = [
        {"image": f"./{row['patient_id']}.nii.gz", "label": row["cmp_mask"]} for row in patients
    ]
    items[1]["image"] = [items[1]["image"], patients[1]["up_image"]]
    listed = {"name": "x", "training": items[1:-1], "test": [items[0]["image"], items[-1]["image"]]}
    (home / "datalist.json").write_text(json.dumps(listed), encoding="utf-8")
    follow("MONAI", nephrograde, without=["check"])
    table = {row["patient_id"]: row for row in read_table(home / "from-monai" / "cohort.csv")}
    assert list(table) == [row["patient_id"] for row in (*patients[1:-1], patients[0], patients[-1])]
    assert table[patients[1]["patient_id"]]["np_image"] == patients[1]["up_image"]
    study = load_study(home / "from-monai" / "study.toml")
    cohort, problems = read_cohort(study.cohort, study.split)
    assert problems == []
    assert cohort is not None
    assert [case.is_high for case in cohort.cases] == [table[one]["isup_grade"] > "2" for one in table]


def test_gandlf(home: Path, patients: list[dict[str, str]], nephrograde: Command) -> None:
    [study] = code_of("GaNDLF", "toml")
    (home / "gandlf.toml").write_text(study, encoding="utf-8")
    rows = [
        {
            "SubjectID": row["patient_id"],
            "Channel_0": row["cmp_image"],
            "Channel_1": row["up_image"],
            "ValueToPredict": str(int(row["isup_grade"] > "2")),
        }
        for row in patients
    ]
    write_rows(home / "train.csv", list(rows[0]), rows)
    predicted = [
        {"SubjectID": row["SubjectID"], "PredictedClass": "0", "0": str(1 - 0.1 * k), "1": str(0.1 * k)}
        for k, row in enumerate(rows)
    ]
    write_rows(home / "final_preds_and_avg_probs.csv", list(predicted[0]), predicted)
    follow("GaNDLF", nephrograde, without=["check", "evaluate"])
    settings = load_study(home / "gandlf.toml", ("split.folds=2",))
    cohort, problems = read_cohort(settings.cohort, settings.split)
    assert problems == []
    assert cohort is not None
    assert [case.is_high for case in cohort.cases] == [row["ValueToPredict"] == "1" for row in rows]
    scores = read_rows(home / "gandlf-scores.csv")
    assert [float(row["p_high"]) for row in scores] == pytest.approx([0.1 * k for k in range(PATIENTS)])
    assert [row["is_high"] for row in scores] == [row["ValueToPredict"] for row in rows]


def test_pyradiomics(home: Path, nephrograde: Command) -> None:
    draw = random.Random(1)  # noqa: S311 - not for cryptography
    write_grades({f"P{k:02}": "3" if k % 2 else "1" for k in range(40)})
    rows = [
        {
            "patient_id": f"P{k:02}",
            "Image": "i.nii.gz",
            "diagnostics_Versions_PyRadiomics": "v3.1.0",
            "original_shape_MeshVolume": str(draw.gauss(k % 2, 0.5)),
            "original_firstorder_Mean": str(draw.gauss(0, 1)),
        }
        for k in range(40)
    ]
    write_rows(home / "features.csv", list(rows[0]), rows)
    follow("pyradiomics", nephrograde, without=["evaluate"])
    scores = read_rows(home / "radiomics-scores.csv")
    assert {(row["model"], row["split"]) for row in scores} == {("radiomics", "oof")}
    assert {row["fold"] for row in scores} == set("01234")
    result = ng.evaluate(home / "radiomics-scores.csv", bootstraps=100)
    auc = result.estimates.query("measure == 'auc' and split == 'oof'")["value"].item()
    assert 0.8 < auc < 1.0


def test_every_section_of_a_program_is_followed() -> None:
    sections = re.findall(r"(?m)^## (.+)$", PAGE.read_text(encoding="utf-8"))
    assert sections == ["nnU-Net", "TotalSegmentator", "MONAI", "GaNDLF", "pyradiomics"]
