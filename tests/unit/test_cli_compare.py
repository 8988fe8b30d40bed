"""The command that sets two runs side by side."""

import pytest

from nephrograde.evaluation.evaluation import evaluate_scores
from nephrograde.evaluation.scores.score_table import write_scores
from nephrograde.evaluation.scores.scores import Score, Scores
from nephrograde.evaluation.tables import write_estimates
from nephrograde.run.folder import RunFolder
from nephrograde.run.provenance import write_lock
from nephrograde.run.seal import renew_seal
from nephrograde.study import EvaluateSettings


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two evaluated score tables, in the current folder."""
    for name, shift in (("第一", 0), ("second", 3)):
        rows = tuple(
            Score(f"P{k}", "weak-1-cmp", "test", None, k % 3 == 0, (k * (7 + shift)) % 19 / 20) for k in range(18)
        )
        write_scores(Scores(rows), tmp_path / name / "scores" / "scores.csv")
        evaluation = evaluate_scores(Scores(rows), EvaluateSettings(bootstraps=100))
        folder = RunFolder(tmp_path / name)
        write_estimates(evaluation.estimates, folder.estimates_path)
        write_lock(EvaluateSettings(), folder, inputs={}, command="")
        renew_seal(folder, ())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def compare(nephrograde):
    return lambda *words: nephrograde("compare", *words)


def test_table_and_page(runs, compare):
    code, out, err = compare("第一", "second/")
    assert (code, err) == (0, "")
    for part in ("weak-1-cmp", "A − B", "Research use only", "Both runs were tested on the same 18 patients."):
        assert part in out
    assert (runs / "compare-第一-second" / "compare.html").exists()
    assert (runs / "compare-第一-second" / "compare.csv").exists()


def test_chinese_page_in_a_folder_of_ones_own(runs, compare):
    code, out, _ = compare("第一", "second", "--out", "两者", "--lang", "zh")
    assert code == 0
    assert "两次运行的测试集为相同的18例患者。" in out
    assert (runs / "两者" / "compare.zh.html").exists()


def test_warnings_go_to_the_side(runs, compare):
    rows = (
        (runs / "second" / "scores" / "scores.csv")
        .read_text(encoding="utf-8")
        .replace("P3,weak-1-cmp,test,,1", "P3,weak-1-cmp,test,,0")
    )
    (runs / "second" / "scores" / "scores.csv").write_text(rows, encoding="utf-8")
    renew_seal(RunFolder(runs / "second"), ())
    code, out, err = compare("第一", "second")
    assert code == 0
    assert "1 of 18 common ids have different truths" in err
    assert "No difference is tested." in out


def test_no_run_ends_with_a_message(runs, compare):
    code, _, err = compare("第一", "nowhere")
    assert code == 2
    assert err.startswith("nephrograde: nowhere is not a run folder")
