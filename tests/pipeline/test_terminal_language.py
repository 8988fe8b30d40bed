"""A session with ``--lang zh``: no English sentence is printed, by commands or by refusals."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, TypeAlias

import pytest

from nephrograde.cohort.table import read_table
from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Command: TypeAlias = Callable[..., tuple[int, str, str]]

COMMAND = re.compile(r"`[^`]*`|(?:nephrograde|pip install|torchrun) [^\s，。；]+(?: [^\s，。；]+)*|\S*[/\\]\S*")
ENGLISH = re.compile(r"[A-Za-z][a-z’'-]+(?: [A-Za-z(][a-z’'-]+){2,}")


def english(*texts: str) -> list[str]:
    """The English sentences of an output, besides commands, paths, names and codes."""
    lines = [line for text in texts for line in text.splitlines()]
    return [line for line in lines if ENGLISH.search(COMMAND.sub("", line))]


@pytest.fixture
def speak(nephrograde: Command) -> Callable[..., tuple[int, str]]:
    """Run a command in Chinese: (exit code, all output), with no English sentence in it."""

    def run(*words: object) -> tuple[int, str]:
        code, out, err = nephrograde(*words, "--lang", "zh")
        assert english(out, err) == []
        assert re.search("[\u4e00-\u9fff]", out + err)
        return code, out + err

    return run


def test_english_would_be_seen(nephrograde: Command, tmp_path: Path) -> None:
    assert english(*nephrograde("init", tmp_path / "a")[1:])
    assert english(*nephrograde("init", tmp_path / "a")[1:])


@pytest.mark.slow
def test_a_study_is_begun(speak: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    study_path = tmp_path / "a" / "study.toml"
    assert speak("init", tmp_path / "a")[0] == 0
    assert speak("init", tmp_path / "a")[0] == 2
    code, text = speak("check", study_path, "--out", tmp_path / "run")
    assert (code, "处问题" in text) == (2, True)
    for override in (
        "fit.epoch=1",
        "fit.epochs='x'",
        "cohort.outcome='grade_x'",
        "arm.weak-9.slices=2",
        "fit.epochs=0",
    ):
        assert speak("run", study_path, "--set", override)[0] == 2
    assert speak("check", tmp_path / "nowhere.toml")[0] == 2


def test_a_table_is_taken_up_and_its_mistakes_are_told(speak: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    rows = [f"P{k},{k % 4 + 1},c{k}.nii.gz,,{'x' if k == 3 else 50}" for k in range(24)]
    faults = ["P3,5,c3.nii.gz,,41", ",2,d.nii.gz,,", 'P30,,e.nii.gz,"1,2,3;4,5,6",40', "P31,1,,,40"]
    lines = ["patient_id,isup_grade,cmp_image,cmp_box,age_years", *rows, *faults]
    (tmp_path / "cohort.csv").write_text("\n".join(lines), encoding="utf-8")
    assert speak("init", tmp_path)[0] == 0
    code, text = speak("check", tmp_path / "study.toml", "--out", tmp_path / "run")
    assert (code, "患者P3" in text) == (2, True)


@pytest.mark.slow
def test_scores_and_printed_values(speak: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    rows = [f"P{k},m,{k % 2},{0.2 + 0.05 * k}" for k in range(12)]
    scores_path = tmp_path / "scores.csv"
    scores_path.write_text("\n".join(["patient_id,model,is_high,p_high", *rows]), encoding="utf-8")
    words = ("evaluate", scores_path, "--out", tmp_path / "run", "--set", "evaluate.bootstraps=100")
    code, text = speak(*words)
    assert (code, "报告：" in text) == (0, True)
    scores_path.write_text("\n".join(["patient_id,model,is_high,p_high", *rows, "P1,m,0,1.5"]), encoding="utf-8")
    assert speak(*words)[0] == 2
    assert speak("evaluate", tmp_path / "none.csv")[0] == 2
    assert speak("audit", "--n", 90, "--accuracy", "0.859", "--sensitivity", "0.857", "--specificity", "0.860")[0] == 0
    assert speak("audit", "--n", 90, "--accuracy", "1.859")[0] == 2
    assert speak("predict", tmp_path, "x.nii", "--model", "m")[0] == 2
    assert speak("report", tmp_path / "study.toml", "--out", tmp_path / "nothing")[0] == 2


@pytest.mark.slow
def test_an_export_is_scanned(speak: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    settings = PhantomSettings(patients=2, phases=("cmp", "up"), matrix_px=48, dicom=True)
    write_cohort(tmp_path / "cohort", settings)
    shutil.move(tmp_path / "cohort" / "images", tmp_path / "export")
    (tmp_path / "grades.csv").write_text("patient_id,isup_grade,姓名\nSYN-0001,3,张三\nX,2,李四", encoding="utf-8")
    code, text = speak(
        "scan", tmp_path / "export", "--out", tmp_path / "s" / "cohort.csv", "--table", tmp_path / "grades.csv"
    )
    assert (code, "2例患者" in text) == (0, True)
    assert speak("init", tmp_path / "s")[0] == 0
    assert speak("deidentify", tmp_path / "export", "--out", tmp_path / "d", "--key", tmp_path / "key.csv")[0] == 0
    assert (
        speak("deidentify", tmp_path / "export", "--out", tmp_path / "export" / "d", "--key", tmp_path / "k.csv")[0]
        == 2
    )
    (tmp_path / "empty").mkdir()
    assert speak("scan", tmp_path / "empty", "--out", tmp_path / "e.csv")[0] == 2


def test_a_study_is_run(
    speak: Callable[..., tuple[int, str]], tiny_study_path: Path, tiny_run_copy: Path, tmp_path: Path
) -> None:
    words = (tiny_study_path, "--out", tiny_run_copy)
    code, text = speak("run", *words)
    assert (code, "测试集" in text) == (0, True)
    assert speak("check", *words)[0] == 0
    assert speak("prepare", *words)[0] == 0
    code, text = speak("run", *words, "--set", "fit.seed=7")
    assert (code, "--reason" in text) == (2, True)
    row = read_table(tiny_study_path.parent / "cohort.csv")[0]
    image_path, mask_path = (tiny_study_path.parent / row[name] for name in ("cmp_image", "cmp_mask"))
    assert speak("predict", tiny_run_copy, image_path, "--model", "weak-1-cmp", "--mask", mask_path)[0] == 0
    assert speak("predict", tiny_run_copy, image_path, "--model", "weak-1-cmp")[0] == 2
    assert speak("predict", tiny_run_copy, image_path, "--model", "weak-9-cmp")[0] == 2
    assert speak("predict", tiny_run_copy, tmp_path / "none.nii", "--model", "weak-1-cmp", "--mask", mask_path)[0] == 2
    assert speak("compare", tiny_run_copy, tiny_run_copy)[0] == 2


@pytest.mark.slow
def test_scans_that_cannot_be_used(
    speak: Callable[..., tuple[int, str]], tiny_study_path: Path, tmp_path: Path
) -> None:
    table_path = tiny_study_path.parent / "cohort.csv"
    lines = table_path.read_text(encoding="utf-8").splitlines()
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "images").symlink_to(table_path.parent / "images", target_is_directory=True)
    lines[1] = lines[1].replace("up.nii.gz", "nowhere.nii.gz")
    lines[2] = lines[2].replace(lines[2].split(",")[0], "P-2", 1)
    (folder / "cohort.csv").write_text("\n".join(lines), encoding="utf-8")
    shutil.copy(tiny_study_path, folder / "study.toml")
    code, text = speak("prepare", folder / "study.toml", "--out", tmp_path / "run")
    assert (code, "未采用：患者SYN-0001" in text) == (0, True)
