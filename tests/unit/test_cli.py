"""The command line: what it prints, how it ends, and that it starts fast."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nephrograde import cli, terminal
from nephrograde.cohort.stage import load_inputs
from nephrograde.errors import RunError
from nephrograde.files import read_rows
from nephrograde.report.text.language import speaking
from nephrograde.study.file import load_study

HELP = "sys.argv = ['nephrograde', '--help']\nfrom nephrograde.cli import main\ntry: main()\nexcept SystemExit: pass"


def test_help_imports_nothing_heavy():
    heavy = "torch monai lightning_fabric SimpleITK matplotlib pydantic pydicom sklearn scipy pandas"
    code = (
        "import sys; sys.argv = ['nephrograde', '--help']\n"
        "from nephrograde.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print([name for name in '{heavy}'.split() if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.splitlines()[-1] == "[]"
    assert "Research use only" in " ".join(printed.split())


@pytest.mark.parametrize(
    ("code", "allowed"), [("import nephrograde", set()), (HELP, {"numpy", "typer", "annotated_doc", "shellingham"})]
)
def test_little_is_imported_before_it_is_needed(code, allowed):
    listing = (
        "import site, sys; before = set(sys.modules)\n"
        f"{code}\n"
        "found = {name.partition('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)\n"
        "print('imported', *sorted(found))"
    )
    printed = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True).stdout
    found = set(printed.splitlines()[-1].split()[1:]) - {"nephrograde"}
    assert found <= allowed


def test_init_check_and_a_second_init(nephrograde, tmp_path):
    code, out, _ = nephrograde("init", tmp_path / "研究")
    assert code == 0
    assert "study.toml" in out
    code, _, err = nephrograde("init", tmp_path / "研究")
    assert code == 2
    assert "nephrograde:" in err


def test_init_takes_up_a_table(nephrograde, tmp_path):
    rows = [f"P{k},{k % 4 + 1 if k else ''},{k}.series,{f'{k}e.series' if k < 3 else ''}" for k in range(24)]
    table_path = tmp_path / "cohort.csv"
    table_path.write_text("\n".join(["patient_id,isup_grade,cmp_image,ep_image", *rows]), encoding="utf-8")
    code, out, err = nephrograde("init", tmp_path)
    assert code == 0
    for part in ("24 patients, 23 of them", "cmp (corticomedullary): 24", "ep (excretory): 3", "nephrograde check"):
        assert part in out
    assert "cmp_box" in err
    assert load_study(tmp_path / "study.toml").cohort.phases == ("cmp",)


@pytest.mark.slow
def test_a_run_prints_the_table_and_the_report(nephrograde, tiny_study_path, tmp_path):
    code, out, err = nephrograde(
        "run", tiny_study_path, "--out", tmp_path / "run", "--set", "fit.epochs=1", "--set", 'cohort.phases=["up"]'
    )
    assert code == 0
    for part in ("weak-1-up", "strong-up", "size", "volume", "AUC", "Research use only", "report.html"):
        assert part in out
    assert "Preparing scans: 24 of 24" in err
    assert "Fitting models: 4 of 4" in err
    lock = json.loads((tmp_path / "run" / "study.lock.json").read_text(encoding="utf-8"))
    assert lock["study"]["fit"]["epochs"] == 1
    assert "--set fit.epochs=1" in lock["command"]


@pytest.mark.slow
def test_stages_run_alone(nephrograde, tiny_study_path, tmp_path):
    words = ("--out", tmp_path / "run", "--set", "fit.epochs=1", "--set", 'cohort.phases=["up"]')
    code, _, err = nephrograde("fit", tiny_study_path, *words)
    assert code == 2
    assert "is not prepared" in err
    code, out, _ = nephrograde("check", tiny_study_path, *words)
    assert (code, "Model weak-1-up can use: 24 (" in out) == (0, True)
    assert nephrograde("prepare", tiny_study_path, *words)[0] == 0
    assert nephrograde("fit", tiny_study_path, *words)[0] == 0
    code, out, _ = nephrograde("evaluate", tiny_study_path, *words)
    assert (code, "strong-up" in out) == (0, True)
    code, out, _ = nephrograde("report", tiny_study_path, *words[:2])
    assert (code, "report.html" in out) == (0, True)


def test_check_ends_in_whether_the_study_can_be_fitted(nephrograde, tiny_cohort_dir, tiny_study_path, tmp_path):
    text = (tiny_cohort_dir / "cohort.csv").read_text(encoding="utf-8")
    (tiny_cohort_dir / "no-images.csv").write_text(text.replace(".nii.gz", ".gone.nii.gz"), encoding="utf-8")
    words = ("--out", tmp_path, "--set", 'cohort.phases=["up"]', "--set", "cohort.table='no-images.csv'")
    code, out, err = nephrograde("check", tiny_study_path, *words)
    assert code == 2
    assert out.splitlines()[-1].startswith("Not ready, because no patient can be used by ")
    assert err.count("Left out: ") == 1
    assert "Left out: 24 × file-missing in 24 patients, first Case SYN-0001, phase UP:" in err


@pytest.mark.slow
def test_findings_are_printed(nephrograde, tiny_cohort_dir, tiny_study_path, tmp_path):
    lines = (tiny_cohort_dir / "cohort.csv").read_text(encoding="utf-8").splitlines()
    lines[1] = lines[1].replace("up.nii.gz", "nowhere.nii.gz")
    (tiny_cohort_dir / "one-missing.csv").write_text("\n".join(lines), encoding="utf-8")
    code, _, err = nephrograde("prepare", tiny_study_path, "--out", tmp_path, "--set", "cohort.table='one-missing.csv'")
    assert code == 0
    assert "Left out: Case SYN-0001, phase UP:" in err
    assert "up_image: no such file or folder" in err


def test_mistakes_end_with_two_and_no_traceback(nephrograde, tiny_study_path, tmp_path):
    code, out, err = nephrograde(
        "run", tiny_study_path, "--out", tmp_path, "--set", "fit.epoch=1", "--set", "cohort.outcome='grade_x'"
    )
    assert code == 2
    assert "fit.epoch" in err
    assert "grade_x" in err
    assert "Traceback" not in out + err


def test_debug_shows_the_traceback(tmp_path):
    with pytest.raises(RunError):
        cli.main(["predict", str(tmp_path), "x.nii", "--model", "m", "--debug"])


def test_control_c_says_how_to_go_on(nephrograde, monkeypatch, tiny_study_path, tmp_path):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)  # while the first file of the run is written
    code, _, err = nephrograde("run", tiny_study_path, "--out", tmp_path)
    assert code == 130
    assert "to resume" in err


def test_control_c_does_not_promise_to_resume_what_begins_again(nephrograde, monkeypatch, tmp_path):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("nephrograde.export.pack.pack_model", interrupt)
    for language, said in (("en", "Nothing was written"), ("zh", "未写入任何内容")):
        code, _, err = nephrograde("pack", tmp_path, "--model", "m", "--lang", language)
        assert code == 130
        assert said in err
        assert "resume" not in err


def test_control_c_in_an_explanation_does_not_promise_to_resume(nephrograde, monkeypatch, tmp_path):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("nephrograde.export.loading.load", interrupt)
    code, _, err = nephrograde("explain", tmp_path / "g.zip", "scan.nii.gz", "--out", tmp_path / "out")
    assert (code, "Nothing was written" in err, "resume" in err) == (130, True, False)


@pytest.mark.parametrize(
    ("called", "option", "words"),
    [
        ("nephrograde.export.loading.load", "--csv", ("predict", "g.zip", "scans")),
        ("nephrograde.exchange.sending.send", "--journal", ("send", "scans", "--to", "PACS@127.0.0.1:104")),
    ],
)
def test_control_c_promises_to_resume_only_what_was_noted(nephrograde, monkeypatch, called, option, words):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(called, interrupt)
    for extra, resumes in (((), False), ((option, "done.csv"), True), ((f"{option}=done.csv",), True)):
        code, _, err = nephrograde(*words, *extra)
        assert (code, "Run the same command again to resume." in err) == (130, resumes)
        assert (f"begins from the start; with {option}" in err) is not resumes
    assert f"从头开始，加上{option}" in nephrograde(*words, "--lang", "zh")[2]


def test_an_installation_without_torch_says_what_is_missing(nephrograde, monkeypatch, tmp_path):
    def absent(*_, **__):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr("nephrograde.export.pack.pack_model", absent)
    for language, said in (("en", "only packed models"), ("zh", "只能使用打包的模型")):
        code, out, err = nephrograde("pack", tmp_path, "--model", "m", "--lang", language)
        assert (code, out) == (2, "")
        assert said in err
        assert "Traceback" not in err


def test_predict_answers_people_and_programs(nephrograde, tiny_run_dir, tiny_cohort_dir):
    row = read_rows(tiny_cohort_dir / "cohort.csv")[0]
    words = ("predict", tiny_run_dir, tiny_cohort_dir / row["cmp_image"], "--model", "weak-1-cmp")
    code, out, _ = nephrograde(*words, "--mask", tiny_cohort_dir / row["cmp_mask"])
    assert code == 0
    assert "Research use only" in out
    code, out, _ = nephrograde(*words, "--box", "30,30,5;50,50,5 vox", "--slice", "5 vox", "--json")
    assert code == 0
    answer = json.loads(out)
    assert answer["slices"] == [5]
    assert 0 < answer["p_high"] < 1
    code, _, err = nephrograde(*words, "--point", "30,30,5")
    assert code == 2
    assert "mm" in err
    assert "vox" in err


@pytest.mark.slow
def test_the_demo_is_a_study_on_a_synthetic_cohort(nephrograde, tmp_path):
    lock_path = tmp_path / "run-20-20260415-dicom" / ".nephrograde.lock"
    lock_path.parent.mkdir()
    lock_path.symlink_to(tmp_path / "elsewhere")  # the run is refused, so that nothing is fitted
    code, _, err = nephrograde("demo", "--patients", "20", "--out", tmp_path, "--dicom")
    assert (code, f"{lock_path} is a symbolic link" in err) == (2, True)
    cohort_dir = tmp_path / "cohort-20-20260415-dicom"
    study = load_inputs(cohort_dir / "demo.toml")
    assert study.synthetic
    assert len(read_rows(study.cohort.table)) == 20
    assert (cohort_dir / "images" / "SYN-0001" / "cmp").is_dir()


def test_version(nephrograde):
    assert nephrograde("--version")[1].startswith("nephrograde 0.")


def test_progress_of_threads_is_in_the_language_of_the_command(capsys):
    with speaking("zh"), terminal.progress("Preparing scans", 2) as advance, ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: advance(), range(2)))
    assert capsys.readouterr().err.startswith("准备扫描：")


def test_a_terminal_gets_a_bar(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with terminal.progress("Fitting models", 2) as advance:
        advance()
        advance()
    printed = capsys.readouterr().err
    for part in ("Fitting models", "━", "2 of 2", "left"):
        assert part in printed


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["scan", "in", "--out", ""], "--out"),
        (["scan", "in", "--out=", "--table", "t.csv"], "--out"),
        (["scan", "in", "--table", ""], "--table"),
        (["scan", "in", "--organs", " "], "--organs"),
        (["scan", ""], "argument 1"),
        (["deidentify", "in", "--out", "out", "--key", ""], "--key"),
        (["cohort", "kits23", "--out", "", "--plan"], "--out"),
        (["demo", "--out", ""], "--out"),
        (["init", ""], "argument 1"),
        (["check", ""], "argument 1"),
        (["run", "study.toml", "--out", ""], "--out"),
        (["evaluate", "scores.csv", "--out", ""], "--out"),
        (["report", ""], "argument 1"),
        (["compare", "a", ""], "argument 2"),
        (["audit", ""], "argument 1"),
        (["readers", "reads.csv", "--scores", ""], "--scores"),
        (["predict", "run", "a.png", "", "--model", "m"], "argument 3"),
        (["predict", "run", "a.nii", "--model", "m", "--mask", ""], "--mask"),
        (["predict", "run", "a.nii", "--model", "m", "--kidneys", ""], "--kidneys"),
    ],
)
def test_an_empty_path_is_refused_before_anything_is_written(nephrograde, tmp_path, monkeypatch, words, place):
    monkeypatch.chdir(tmp_path)
    code, _, err = nephrograde(*words)
    assert code == 2
    assert f"{place}: the path is empty" in err
    assert not list(tmp_path.iterdir())


def test_an_empty_path_is_refused_in_chinese(nephrograde):
    code, _, err = nephrograde("init", "", "--lang", "zh")
    assert code == 2
    assert "第1个参数：路径为空。" in err


def test_text_may_be_empty(nephrograde):
    code, out, _ = nephrograde(
        *("audit", "--n", "90", "--accuracy", "0.859", "--sensitivity", "0.857", "--name", "", "--specificity=0.860")
    )
    assert code == 0
    assert out


@pytest.mark.parametrize("has_table", [True, False])
def test_the_next_command_keeps_the_language(nephrograde, tmp_path, has_table):
    if has_table:
        rows = [f"P{k},{k % 4 + 1},{k}.nii.gz" for k in range(24)]
        (tmp_path / "cohort.csv").write_text("\n".join(["patient_id,isup_grade,cmp_image", *rows]), encoding="utf-8")
    code, out, _ = nephrograde("init", tmp_path, "--lang", "zh")
    assert code == 0
    assert f"nephrograde check {tmp_path / 'study.toml'} --lang zh" in out
