"""The documents as a reader follows them: every command of a page, in the order in which the page prints it.

The commands are read from the pages, so that a page that changes is tested as it then is. What the reader contributes
is made small: an export of few synthetic patients, and a study file with small images, few folds and one epoch, edited
after ``init`` as the pages ask for. No option is added to a command and none is removed.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import SimpleITK
from openpyxl import Workbook

from nephrograde.cohort.table import read_table
from nephrograde.files import read_rows
from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort
from nephrograde.study.file import load_study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Command = Callable[..., tuple[int, str, str]]


ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "docs/tutorial.md"]
IN_CHINESE = {"README.md": "README.zh-CN.md", "docs/tutorial.md": "docs/zh/tutorial.md"}
NOT_RUN = {
    "make demo": "a study of minutes; `nephrograde demo` has a test of its own",
    "nephrograde cohort c4kc-kits --out c4kc": "downloads 40 GB from public servers",
    "nephrograde annotate": "serves a page until it is ended; the tests of the browser run it",
    "torchrun": "needs several machines",
    "nephrograde evaluate my-study/study.toml --out runs/first --set fit.nodes=2": "evaluates what torchrun has fitted",
}
"""Commands that are not run, by how they begin, and why."""

HERE = {
    "/data/export": "export",
    "/data/导出": "export",
    "/safe/key.csv": "safe/key.csv",
    "/安全位置/key.csv": "safe/key.csv",
    "可共享": "shareable",
    "分级.xlsx": "grades.xlsx",
    "path/to/series": "new/scan.nii.gz",
    "scan.nii.gz": "new/scan.nii.gz",
    "tumour.nii.gz": "new/tumour.nii.gz",
    "SCAN": "new/scan.nii.gz",
    "扫描": "new/scan.nii.gz",
}
"""What the pages name and the reader has: their words, and where that is in this test."""

SMALL = {
    r"^phases = .*$": 'phases = ["cmp"]',
    r"^test_fraction = .*$": "test_fraction = 0.4",
    r"^folds = .*$": "folds = 2",
    r"^slice_px = .*$": "slice_px = 32",
    r"^box_voxels = .*$": "box_voxels = [16, 16, 16]",
    r"^epochs = .*$": "epochs = 1",
    r"^patience = .*$": "patience = 0",
    r"^bootstraps = .*$": "bootstraps = 100",
    r'^\[\[arm\]\]\nname = "weak-3"\n(?:\w+ = .*\n)+': "",
}
"""What the reader sets in the study file, so that a study takes seconds: pattern and line."""

BOX_MIDDLE_MM = (-52.5, 40.0, -310.0)
"""The middle of the box that the pages print for a new patient."""


def commands(page: str) -> Iterator[str]:
    """Yield the lines of the blocks without a language, which are commands, without their comments."""
    language: str | None = None
    for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            language = line.removeprefix("```") if language is None else None
        elif language == "" and (words := shlex.split(line, comments=True)):
            yield shlex.join(words)


@pytest.fixture(scope="module")
def export_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of DICOM files, with the masks that were drawn on it, and a table of grades."""
    home = tmp_path_factory.mktemp("reader")
    settings = PhantomSettings(patients=12, phases=("cmp",), matrix_px=48, dicom=True)
    table_path = write_cohort(home / "cohort", settings)
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["patient_id", "isup_grade", "age_years", "sex", "size_cm", "cmp_mask"])
    for row in read_table(table_path):
        mask_path = table_path.parent / row["cmp_mask"]
        cells = [row[name] for name in ("patient_id", "isup_grade", "age_years", "sex", "size_cm")]
        sheet.append([*cells, str(shutil.move(mask_path, home / f"{row['patient_id']}.nii.gz"))])
    book.save(home / "grades.xlsx")
    shutil.move(table_path.parent / "images", home / "export")
    return home


@pytest.fixture
def reader_dir(export_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a reader types the commands, with what the reader brings along."""
    (tmp_path / "export").symlink_to(export_dir / "export", target_is_directory=True)
    shutil.copy(export_dir / "grades.xlsx", tmp_path)
    (tmp_path / "safe").mkdir()
    rows = [
        f"P{k},{name},{k % 2},{0.2 + 0.05 * k + shift}"
        for name, shift in (("weak-1-cmp", 0), ("strong-cmp", 0.05))
        for k in range(12)
    ]
    (tmp_path / "scores.csv").write_text("\n".join(["patient_id,model,is_high,p_high", *rows]), encoding="utf-8")
    reads = [f"R{reader},P{k},{1 + (k + reader) % 3 + 2 * (k % 2)}" for reader in range(1, 4) for k in range(12)]
    (tmp_path / "reads.csv").write_text("\n".join(["reader,patient_id,score", *reads]), encoding="utf-8")
    _write_new_patient(tmp_path / "new")
    _write_another_hospital(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _write_new_patient(folder: Path) -> None:
    """Write a scan of a patient who is not in the study, placed so that the printed box surrounds the tumour."""
    write_cohort(folder, PhantomSettings(patients=2, phases=("cmp",), matrix_px=48, seed=7))
    row = read_table(folder / "cohort.csv")[0]
    mask = SimpleITK.ReadImage(str(folder / row["cmp_mask"]))
    shape = SimpleITK.LabelShapeStatisticsImageFilter()
    shape.Execute(mask)
    moved = [a - b for a, b in zip(BOX_MIDDLE_MM, shape.GetCentroid(1), strict=True)]
    for column, name in (("cmp_image", "scan.nii.gz"), ("cmp_mask", "tumour.nii.gz")):
        image = SimpleITK.ReadImage(str(folder / row[column]))
        image.SetOrigin([a + b for a, b in zip(image.GetOrigin(), moved, strict=True)])
        SimpleITK.WriteImage(image, str(folder / name))


def _write_another_hospital(home: Path) -> None:
    """Write a study of other patients, whose tumours are delineated."""
    write_cohort(home / "north", PhantomSettings(patients=12, phases=("cmp",), matrix_px=48, seed=11))
    (home / "north.toml").write_text(
        'synthetic = true\n[cohort]\ntable = "north/cohort.csv"\nphases = ["cmp"]\n', encoding="utf-8"
    )


def _edit_study(study_path: Path) -> None:
    text = study_path.read_text(encoding="utf-8")
    for pattern, line in SMALL.items():
        text, count = re.subn(pattern, line, text, count=1, flags=re.MULTILINE)
        assert count == 1, pattern
    study_path.write_text(text, encoding="utf-8")


def _fill_in(home: Path) -> None:
    """What the tutorial asks the reader to do after `init`: replace the two example patients."""
    rows = read_table(home / "grades.xlsx")
    lines = [
        f"{row['patient_id']},{row['isup_grade']},{row['size_cm']},../export/{row['patient_id']}/cmp,{row['cmp_mask']}"
        for row in rows
    ]
    heading = "patient_id,isup_grade,size_cm,cmp_image,cmp_mask"
    (home / "my-study" / "cohort.csv").write_text("\n".join([heading, *lines]), encoding="utf-8")


def _do_as_the_reader(command: str, home: Path, *, scanned: bool) -> None:
    """What a reader does after a command, before the next one of the page can be typed."""
    if command.startswith("nephrograde init"):
        assert load_study(home / "my-study" / "study.toml").cohort.phases == (
            ("cmp",) if scanned else ("cmp", "np", "up")
        )
        if not scanned:
            _fill_in(home)
        _edit_study(home / "my-study" / "study.toml")
    if command.startswith("nephrograde run") and not (home / "runs" / "second").exists():
        shutil.copytree(home / "runs" / "first", home / "runs" / "second", copy_function=shutil.copy)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_runs_in_the_printed_order(page: str, reader_dir: Path, nephrograde: Command) -> None:
    typed: list[str] = []
    for command in commands(page):
        if any(command.startswith(beginning) for beginning in NOT_RUN):
            continue
        program, *words = _here(command)
        assert program == "nephrograde", command
        code, out, err = nephrograde(*words)
        assert code == 0, f"{command}\n{out}\n{err}"
        typed.append(words[0])
        _do_as_the_reader(command, reader_dir, scanned="scan" in typed)
    assert {"init", "check", "run", "predict", "evaluate"} <= set(typed)
    rows = read_rows(reader_dir / "runs" / "first" / "scores" / "scores.csv")
    assert {row["split"] for row in rows} == {"oof", "test"}


@pytest.mark.parametrize(("page", "other"), [*IN_CHINESE.items()])
def test_the_chinese_page_has_the_same_commands(page: str, other: str) -> None:
    assert [_here(command) for command in commands(other)] == [_here(command) for command in commands(page)]


def _here(command: str) -> list[str]:
    return [HERE.get(word, word) for word in shlex.split(command)]


def test_exceptions_are_of_commands_that_pages_print() -> None:
    printed = [command for page in PAGES for command in commands(page)]
    for beginning in NOT_RUN:
        assert any(command.startswith(beginning) for command in printed), beginning
